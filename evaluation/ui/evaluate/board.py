"""What the Evaluate tab remembers of one visitor, in ``gr.State``: nothing here is shared between visitors."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # start-up does not wait for pandas and plotly
    from evaluation.results.answers import Answer, Question
    from evaluation.results.figures import View
    from evaluation.results.tags import Tags
    from evaluation.ui.evaluate.run_folders import Opened, ReferenceRuns
    from medseg_demo.settings import Settings

Theme = Literal["light", "dark"]


@dataclass(frozen=True)
class Asked:
    """What the controls above the results say; each field is called like its control, or names it."""

    test_set: str | None = None
    class_name: str = ""
    metric: str = "dice"
    beside: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = field(default=(), metadata={"part": "compared"})
    empty: Literal["skip", "one", "zero"] = "skip"
    failed: Literal["apart", "worst"] = "apart"
    order: Literal["class", "case", "pooled"] = "class"
    miss: Literal["apart", "median", "diagonal"] = "apart"
    cluster: str | None = None
    methods: bool = False
    first: str | None = None
    second: str | None = None
    plot: str = "strip"
    column: str | None = None

    @classmethod
    def of(cls, *values: object) -> "Asked":
        """From the values of the controls."""
        asked = dict(zip(cls.__dataclass_fields__, values, strict=True))
        lists: dict[str, tuple[str, ...]] = {
            name: tuple(asked[name] or ())  # type: ignore[arg-type]
            for name in ("checkpoints", "beside")
        }
        return cls(**asked | lists)  # type: ignore[arg-type]

    @property
    def question(self) -> "Question":
        """As a question to the results."""
        from evaluation.results.answers import GROUP, Question
        from evaluation.statistics import Policy

        policy = Policy(empty=self.empty, failed=self.failed, miss=self.miss)
        cluster = GROUP if self.cluster is None else self.cluster
        asked = (self.test_set or "", self.checkpoints, self.class_name, self.metric)
        return Question(*asked, policy, self.order, cluster)

    def view(self, theme: Theme) -> "View":
        """As what a plot is told."""
        from evaluation.results.figures import View

        return View(self.first or "", self.second or "", self.column or "", theme)


@dataclass(frozen=True)
class Choices:
    """What the controls of an evaluation say; each field is called like its control, or names it."""

    test_sets: tuple[str, ...] = ()
    split: str = ""
    checkpoints: tuple[str, ...] = ()
    upload: tuple[str, ...] = ()
    name: str = field(default="", metadata={"part": "upload_name"})
    metrics: tuple[str, ...] = ()
    tolerance: float = 1.0
    classes: str = ""
    stress: bool = False

    @classmethod
    def of(cls, *values: object) -> "Choices":
        """From the values of the controls."""
        given = dict(zip(cls.__dataclass_fields__, values, strict=True))
        lists: dict[str, tuple[str, ...]] = {
            name: tuple(given[name] or ())  # type: ignore[arg-type]
            for name in ("test_sets", "checkpoints", "upload", "metrics")
        }
        words = {name: str(given[name] or "").strip() for name in ("split", "name", "classes")}
        return cls(**lists, **words, tolerance=given["tolerance"], stress=bool(given["stress"]))  # type: ignore[arg-type]


@dataclass(frozen=True)
class CaseKey:
    """A case that is open, as a click on a point, a row or a tile names it.

    Attributes:
        test_set: The test set.
        checkpoint: Whose prediction is in the viewer.
        case_id: The case.
        class_name: Empty where the click stood for all classes.
    """

    test_set: str
    checkpoint: str
    case_id: str
    class_name: str = ""


@dataclass(frozen=True)
class TableView:
    """Which rows of the table are shown.

    Attributes:
        sort: A column; empty is the worst first.
        descending: Its direction.
        text: What rows must hold somewhere.
        page: From 0.
    """

    sort: str = ""
    descending: bool = False
    text: str = ""
    page: int = 0


@dataclass(eq=False)
class Latest:
    """What a visitor's page shows now, for handlers that end after another one has changed the page.

    Attributes:
        answer: To what was asked last.
        theme: Of the page.
    """

    answer: "Answer | None" = None
    theme: Theme = "light"


@dataclass(frozen=True, eq=False)
class Board:
    """One visitor's page.

    Attributes:
        visitor: The name of the visitor's folder.
        opened: The results on the page.
        answer: To what is asked now.
        table: Which rows of the table are shown.
        case: The case that is open.
        choices: What the visitor's last evaluation was started with.
        run: The name of its folder.
        references: What was read of the reference runs, for all visitors of the page.
        every_run: Whether hidden runs and reference runs are offered beside own ones.
        tags: The visitor's words on cases: of (test set, case).
        own_test_sets: The folder of test sets that the visitor brought, in the session's; None before the first.
        latest: One for all boards of the visitor.
    """

    visitor: str = ""
    opened: "Opened | None" = None
    answer: "Answer | None" = None
    table: TableView = TableView()
    case: CaseKey | None = None
    choices: Choices | None = None
    run: str = ""
    references: "ReferenceRuns | None" = None
    every_run: bool = False
    tags: "Tags" = field(default_factory=dict)
    own_test_sets: Path | None = None
    latest: Latest = field(default_factory=Latest)

    @property
    def is_current(self) -> bool:
        """Whether the page still shows this board's answer."""
        return self.latest.answer is self.answer

    def with_answer(self, found: "Answer | None") -> "Board":
        """The board with what the page shows from now on."""
        self.latest.answer = found
        return replace(self, answer=found)

    def settings(self, of_page: "Settings") -> "Settings":
        """The page's settings with the visitor's own test sets."""
        from evaluation.results.origins import VisitorSettings

        kept = {one.name: getattr(of_page, one.name) for one in fields(of_page)}
        return VisitorSettings(**kept | {"own_test_sets": self.own_test_sets})
