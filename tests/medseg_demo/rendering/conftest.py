import numpy as np
import pytest
from viewer_example import lungs_value

from medseg_demo.rendering import standalone_html


class ViewerPage:
    """A page of viewers; what it says of them is of the first one."""

    def __init__(self, page) -> None:
        self.page = page

    def settle(self) -> None:
        """Wait until what was asked for is drawn."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def ask(self, expression: str):
        """The value of an expression over ``viewer``."""
        self.settle()
        found = f"const viewer = document.querySelector('.mv-host').viewer; return {expression};"
        return self.page.evaluate(f"() => {{ {found} }}")

    def array(self, expression: str) -> np.ndarray:
        return np.array(self.ask(f"Array.from({expression})"))

    def press(self, *keys: str) -> None:
        self.page.locator(".mv-stage").first.focus()
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def slide(self, label: str, value: float) -> None:
        self.page.get_by_role("slider", name=label, exact=True).evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value
        )
        self.settle()

    def click(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()
        self.settle()

    def place(self, pane: int, x: float, y: float) -> tuple[float, float]:
        """Where a place of a pane's picture lies on the page."""
        place = self.ask(f"viewer.panes[{pane}].camera.toStage({x}, {y})")
        box = self.page.locator(".mv-stage").nth(pane).bounding_box()
        return box["x"] + place["x"], box["y"] + place["y"]

    def hover(self, x: float, y: float) -> None:
        """Move the pointer over a place of the first pane's picture."""
        self.page.mouse.move(*self.place(0, x, y))
        self.settle()


@pytest.fixture(scope="module")
def context_options() -> dict[str, object]:
    """The pages' policy forbids evaluating texts, as which Playwright sends what it waits for."""
    return {"bypass_csp": True}


@pytest.fixture
def show(page, tmp_path):
    """Opens a page of viewers and waits until each shows its slice; gives back the page."""

    def open_page(*values) -> ViewerPage:
        path = tmp_path / "page.html"
        path.write_text(standalone_html(values), encoding="utf-8")
        page.goto(path.as_uri())
        page.wait_for_function("[...document.querySelectorAll('.mv-host')].every((host) => host.viewer?.slice)")
        shown = ViewerPage(page)
        shown.settle()
        return shown

    return open_page


@pytest.fixture
def lungs(show) -> ViewerPage:
    """A viewer with everything that an image of one class can have."""
    return show(lungs_value())
