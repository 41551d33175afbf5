"""How sure is a ranking of which only means, deviations and the number of cases were published?"""

import re
from dataclasses import dataclass

from scipy.special import stdtr

from medseg_demo.errors import OptionError

CORRELATION = 0.5  # of two methods' scores over the cases, where it is not published; a rather careful guess
_NUMBER = r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?"
_FORM = re.compile(
    rf"(?P<name>.+):\s*(?P<mean>{_NUMBER})\s*(?:±|\+/?-)\s*(?P<deviation>{_NUMBER})\s*/\s*(?P<cases>\d+)"
)


@dataclass(frozen=True)
class Published:
    """What a paper says of a method.

    Attributes:
        name: The method.
        mean: Of its scores.
        deviation: Standard deviation of the scores over the cases; not the standard error.
        cases: How many cases.
    """

    name: str
    mean: float
    deviation: float
    cases: int


def read_published(text: str) -> Published:
    """From the form ``A:0.91±0.05/50``, or ``A:0.91+-0.05/50``.

    Raises:
        OptionError: It has another form, a negative deviation, or fewer than two cases.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None or float(found["deviation"]) < 0 or int(found["cases"]) < 2:
        raise OptionError(
            f"{text!r} is not understood. Give the name, the mean, the standard deviation over the cases and how many "
            "there are (at least 2), such as A:0.91±0.05/50."
        )
    return Published(found["name"].strip(), float(found["mean"]), float(found["deviation"]), int(found["cases"]))


def turned_from_published(first: Published, second: Published, *, correlation: float = CORRELATION) -> float:
    """The probability that the method with the worse mean is the better one.

    The difference of the means, over its standard error, has Student's t distribution with n − 1 degrees of freedom;
    the variance of the differences is s₁² + s₂² − 2 r s₁ s₂. Higher or lower being better does not matter.

    Args:
        first: One method.
        second: The other, on the same cases.
        correlation: r, of the two methods' scores over the cases, above −1 and up to 1. Two methods mostly find the
            same cases difficult; the more they do, the surer is a ranking.

    Returns:
        0 to 0.5; 0.5 where the means are equal.

    Raises:
        OptionError: The numbers of cases differ, or the correlation is none.

    Source: Christodoulou et al., False Promises in Medical Imaging AI?, 2025, arXiv:2505.04720 ("Claims Reloaded").
    """
    if first.cases != second.cases:
        raise OptionError(
            f"{first.name} has {first.cases} cases and {second.name} {second.cases}: they must be the same."
        )
    if not -1 <= correlation <= 1:
        raise OptionError(f"A correlation of {correlation:g} does not exist. Give a number from -1 to 1.")
    gap = abs(first.mean - second.mean)
    variance = first.deviation**2 + second.deviation**2 - 2 * correlation * first.deviation * second.deviation
    if variance <= 1e-15:
        return 0.0 if gap else 0.5
    return float(stdtr(first.cases - 1, -gap * (first.cases / variance) ** 0.5))
