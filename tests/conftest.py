"""What tests of any package may use: a headless Chromium, where there is one, and the app as a user starts it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import hypothesis
import pytest

# On a busy machine any example may take a second; what is wrong is what it gives.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

ROOT = Path(__file__).resolve().parent.parent

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 90_000
WINDOW = {"width": 1000, "height": 900}
TRIES = 5  # of what may still be on its way

# Nothing was added to the page or removed from it for a third of a second, by the page's own clock.
AT_REST = """
() => new Promise((done) => {
  let turns = 0;
  const watch = new MutationObserver(() => { turns = 0; });
  watch.observe(document.body, { childList: true, subtree: true });
  const look = () => {
    turns += 1;
    if (turns < 15) return setTimeout(look, 20);
    watch.disconnect();
    done();
  };
  look();
})
"""
# What comes and goes has come; what turns for as long as something runs does not count.
NOTHING_FADES = """
() => document.getAnimations().every(
  (one) => one.playState !== "running" || one.effect.getComputedTiming().iterations === Infinity,
)
"""


def find_chromium() -> str | None:
    """The browser that the environment variable CHROMIUM names, or the first one on the path."""
    candidates = (os.environ.get("CHROMIUM"), *map(shutil.which, CHROMIUM_NAMES))
    return next((path for path in candidates if path and os.access(path, os.X_OK)), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """A running browser (Playwright's Browser), shared by the session; skips, with the reason, where there is none."""
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium found: install it (Debian: apt install chromium) or name one in CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def context_options() -> dict[str, object]:
    """What a module's pages need besides: arguments of Playwright's ``new_context``."""
    return {}


@pytest.fixture(scope="module")
def kept_pages() -> Iterator[list]:
    """The page that the tests of a module share: a browser starts a process for each, which compiles every script anew.

    Empty before the first of them and after one that failed.
    """
    pages: list = []
    yield pages
    for page in pages:
        page.context.close()


@pytest.fixture
def page(chromium, context_options, kept_pages, request) -> Iterator[object]:
    """A page as if fresh, patient on machines with other work; the test fails if a script of its context does."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE_MS)
    page = kept_pages.pop() if kept_pages else _fresh_page(chromium, context_options)
    faults: list[str] = []

    def hear(found) -> None:
        faults.append(str(found.error))

    page.context.on("weberror", hear)
    failed = request.session.testsfailed
    yield page
    page.context.remove_listener("weberror", hear)
    if faults or page.is_closed() or request.session.testsfailed > failed:
        page.context.close()
    else:
        _forget(page)
        kept_pages.append(page)
    assert not faults


def _fresh_page(chromium, options: dict[str, object]):
    context = chromium.new_context(viewport=WINDOW, **options)
    context.set_default_timeout(PATIENCE_MS)
    return context.new_page()


def _forget(page) -> None:
    """Leave a page with nothing of what a test did in it or in its context."""
    context = page.context
    for other in context.pages:
        if other is not page:
            other.close()
    if page.url.startswith("http"):
        page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
    page.unroute_all()
    page.goto("about:blank")
    page.set_viewport_size(WINDOW)
    page.emulate_media(color_scheme="null", reduced_motion="null")
    page.mouse.move(0, 0)
    context.set_offline(False)
    context.clear_cookies()
    context.clear_permissions()


@pytest.fixture(scope="session")
def wait_until_built() -> Callable[[object], None]:
    """Wait until the page is at rest: what comes with the words that a test waits for is built a little later."""
    return lambda page: page.evaluate(AT_REST)


@pytest.fixture
def set_number() -> Callable[[object, str], None]:
    """Type a number into a control until it stays: one that Gradio is still building takes its first value back."""

    def set_to(control, value: str) -> None:
        for _ in range(20):
            control.fill(value)
            control.press("Tab")
            control.page.wait_for_timeout(300)
            if control.input_value() == value:
                return

    return set_to


@pytest.fixture
def serious_faults(page) -> Callable[[], dict[str, list[str]]]:
    """What axe finds on the page as it is, serious or critical: {rule: the elements}; skips where axe is missing."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

    def find() -> dict[str, list[str]]:
        for _ in range(TRIES):
            faults = look()
            if not faults:
                break
            page.evaluate(AT_REST)
        return faults

    def look() -> dict[str, list[str]]:
        page.wait_for_function(NOTHING_FADES)  # what Gradio fades in has no contrast yet
        violations = axe.Axe().run(page).response["violations"]
        return {
            one["id"]: [node["html"] for node in one["nodes"]]
            for one in violations
            if one["impact"] in ("serious", "critical")
        }

    return find


class Visitor:
    """Somebody who has the page open, for handlers as plain functions."""

    def __init__(self, name: str = "visitor") -> None:
        from medseg_demo.ui.session import Session

        self.session = Session(name)

    def work(self, kind: type) -> object:
        """What a tab remembers of the visitor."""
        return self.session.part(kind)

    def run(self, handler: Callable, *values: object, tab: str = "", say: Callable | None = None) -> Iterator[dict]:
        """What a run shows, step by step; ``say`` stands in place of gr.Progress."""
        from types import SimpleNamespace

        from medseg_demo.ui.tab import Call

        request = SimpleNamespace(headers={}, query_params={}, session_hash=self.session.owner)
        with self.session.running(tab) as running:
            yield from handler(Call(self.session, request, None, say), running, *values)


@pytest.fixture
def visitor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    """A visitor whose files lie in the test's folder."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    return Visitor()


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[str]]:
    """Starts the app as a user does, with these arguments, for as long as a ``with`` block; gives its address.

    ``folder`` is where its app.py lies, and what else is named goes into its environment.
    """

    @contextmanager
    def serving(*arguments: str, folder: Path = ROOT, **environment: str) -> Iterator[str]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        log = tmp_path_factory.mktemp("app") / "log"
        command = [sys.executable, "app.py", "--port", str(port), *arguments]
        with log.open("wb") as output:
            values = {**os.environ, "MEDSEG_DEVICE": "cpu", **environment}
            app = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, env=values)
        address = f"http://127.0.0.1:{port}/"
        try:
            _wait_for(address, app, log)
            yield address
        finally:
            app.terminate()
            app.wait(30)

    return serving


@pytest.fixture(scope="session")
def url(serve: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    """The app as a user starts it."""
    with serve() as address:
        yield address


def _wait_for(address: str, app: subprocess.Popen, log: Path) -> None:
    import httpx

    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and app.poll() is None:
        try:
            if httpx.get(address, timeout=30).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"the app did not start:\n{log.read_text()}")
