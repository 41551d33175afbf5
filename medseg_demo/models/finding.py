"""What an image as a whole shows or does not, and where the table of a test set says so."""

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from medseg_demo.models.recipes import Record


def _as_text(value: object) -> object:
    """YAML takes 1 and yes for a number and a truth, which the cells of a table write as they are."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Cell = Annotated[str, BeforeValidator(_as_text), Field(min_length=1)]


class FindingColumn(Record):
    """Where ``cases.csv`` of a test set says whether a case has a finding.

    Attributes:
        column: Of cases.csv; empty for the column that is called like the finding. An empty cell is a case of which
            nobody knows.
        present: What its cells say where there is the finding; whatever the case of letters.
        absent: Likewise where there is none.
    """

    column: str = ""
    present: tuple[Cell, ...] = Field(default=("1", "yes", "true"), min_length=1)
    absent: tuple[Cell, ...] = Field(default=("0", "no", "false"), min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> "FindingColumn":
        both = {one.casefold() for one in self.present} & {one.casefold() for one in self.absent}
        if both:
            raise ValueError(f"{', '.join(sorted(both))} cannot mean both present and absent")
        return self

    def is_present(self, cell: str) -> bool | None:
        """What a cell says; None for an empty one.

        Raises:
            ValueError: It says neither.
        """
        word = cell.strip().casefold()
        if not word:
            return None
        if word in map(str.casefold, self.present):
            return True
        if word in map(str.casefold, self.absent):
            return False
        raise ValueError(f"{cell[:40]!r} is none of {', '.join((*self.present, *self.absent))}")


FindingName = Annotated[str, Field(pattern=r"^\w[\w .+()-]{0,59}$")]


class Finding(FindingColumn):
    """What an image as a whole shows or does not, for which the network has an auxiliary output.

    Attributes:
        name: For people.
        threshold: Probability from which on it is called present.
    """

    name: FindingName
    threshold: float = Field(default=0.5, gt=0, lt=1)

    @property
    def source(self) -> str:
        """The column of cases.csv that says it."""
        return self.column or self.name
