"""How figures are written for people: one sign for minus, for thousands, for what is infinite or not applicable."""

import math

THOUSANDS = "\N{NARROW NO-BREAK SPACE}"
NOT_APPLICABLE = "n/a"


def number(value: float, digits: int = 3) -> str:
    """A measured figure with so many significant digits; whole ones are kept whole: "0.35", "12.4", "31 893"."""
    is_whole = not math.isfinite(value) or value == round(value) or abs(value) >= 10**digits
    return _signed(f"{value:,.0f}" if is_whole else f"{value:.{digits}g}", value)


def score(value: float) -> str:
    """A figure of a column of scores, with the same decimals as its neighbours: "0.800", "12.5", "1 234"."""
    decimals = 3 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    return _signed(f"{value:,.{decimals}f}", value)


def percent(share: float, decimals: int = 1) -> str:
    """A share from 0 to 1 as "41.5 %"."""
    return f"{_signed(f'{100 * share:.{decimals}f}', share)}{THOUSANDS}%"


def p_value(value: float) -> str:
    """Such as "p = 0.032" or "p < 0.001"."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def seconds(value: float) -> str:
    """A duration: "453 ms", "12.4 s"."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def millions(count: int) -> str:
    """How many weights: "31.04 M"; fewer than 10,000 as they are."""
    return f"{count / 1e6:.2f} M" if count >= 10_000 else number(count)


def _signed(text: str, value: float) -> str:
    if math.isnan(value):
        return NOT_APPLICABLE
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return text.replace("-", "−").replace(",", THOUSANDS)
