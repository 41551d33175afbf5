"""Read the settings, build the tabs, launch. Also the entry point of a Hugging Face Space."""

import argparse
import contextlib
import ctypes
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

# Read by gradio when it is imported: nothing is reported, and no table of all requests is computed after each.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(10**9))
# Read by PyTorch's threads when they begin: what waits for work leaves the processors to OpenVINO's threads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from medseg_demo.settings import Settings, forbid_programs  # before ``spaces``, which ends where there is no home

with contextlib.suppress(ImportError):
    import spaces  # noqa: F401 (a Space's GPU asks to be imported before torch)

import gradio as gr

from evaluation.ui.agents import serve
from evaluation.ui.api import add_evaluate_endpoint
from evaluation.ui.compare.api import add_compare_endpoint
from evaluation.ui.compare.example import ComparisonExample
from evaluation.ui.compare.layout import STYLESHEET as COMPARE_STYLESHEET
from evaluation.ui.compare.tab import CompareTab
from evaluation.ui.compare.texts import TAB as COMPARE_TAB
from evaluation.ui.evaluate.components import STYLESHEET as EVALUATE_STYLESHEET
from evaluation.ui.evaluate.tab import EvaluateTab
from evaluation.ui.evaluate.texts import TAB as EVALUATE_TAB
from evaluation.ui.follow.api import add_follow_endpoint
from evaluation.ui.follow.tab import FollowTab
from evaluation.ui.follow.texts import TAB as FOLLOW_TAB
from evaluation.ui.link_events import Links
from medseg_demo.errors import MedsegError, OptionError
from medseg_demo.language.terminal import say, spoken_parser
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Turns
from medseg_demo.ui import texts
from medseg_demo.ui.api import add_endpoints
from medseg_demo.ui.header import Header
from medseg_demo.ui.language import GRADIO_WORDS
from medseg_demo.ui.live.screen import STYLESHEET as LIVE_STYLESHEET
from medseg_demo.ui.live.tab import LiveTab
from medseg_demo.ui.live.texts import TAB as LIVE_TAB
from medseg_demo.ui.models.list_view import STYLESHEET as MODELS_STYLESHEET
from medseg_demo.ui.models.tab import ModelsTab
from medseg_demo.ui.public.connections import be_impatient
from medseg_demo.ui.public.edge import edge_options
from medseg_demo.ui.public.folder import server_folder
from medseg_demo.ui.public.login import asks_hub, hub_user, read_accounts
from medseg_demo.ui.public.page import Gate, Page
from medseg_demo.ui.segment.example import Example
from medseg_demo.ui.segment.tab import SegmentTab
from medseg_demo.ui.session import LIFETIME_S, Sessions
from medseg_demo.ui.tab import PROGRESS_EVERY_S, SERVER_SCRIPT, THREADS
from medseg_demo.ui.tab import STYLESHEET as BAR_STYLESHEET
from medseg_demo.ui.theme import LANGUAGE_SCRIPT, PAGE_SCRIPT, STYLESHEET, make_theme

EVALUATIONS_AT_ONCE = 2  # each has processes that score
SCRIPTS = (PAGE_SCRIPT, LANGUAGE_SCRIPT, SERVER_SCRIPT)  # run when the page is there
PATIENCE_S = 1.5  # what runs have to end in when the server ends
# How services, terminals and people end it; a closed terminal is unknown to Windows.
ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]


def build_app(
    settings: Settings,
    *,
    example: Example | None = None,
    comparison: ComparisonExample | None = None,
    sessions: Sessions | None = None,
    hosts: Collection[str] = (),
) -> Page:
    """The page with its tabs and the web API, ready for ``launch``.

    Args:
        settings: Paths, device and limits.
        example: What the first paint shows; None computes it when the first visitor comes.
        comparison: Likewise, of the Compare tab.
        sessions: Those of the page, for who ends them.
        hosts: Names under which it is served, beside those of this computer.
    """
    example = example or Example(Engine(settings))
    comparison = comparison or ComparisonExample(example)
    engine = example.engine
    evaluations = Turns(small=EVALUATIONS_AT_ONCE)
    sessions = sessions or Sessions(max_runs=settings.max_jobs)
    with Page(title=texts.TITLE, analytics_enabled=False, fill_width=True, delete_cache=(600, LIFETIME_S)) as page:
        page.gate = Gate(settings, sessions.add_state(), hosts)
        header = Header(engine, sessions)
        links = Links(engine)
        with gr.Tabs() as tabs:
            with gr.Tab(texts.SEGMENT_TAB, id="segment"):
                segment_tab = SegmentTab(engine, sessions, example)
            with gr.Tab(COMPARE_TAB, id="compare") as compare:
                compare_tab = CompareTab(engine, sessions, comparison)
            with gr.Tab(FOLLOW_TAB, id="follow") as following:
                follow_tab = FollowTab(engine, sessions)
            with gr.Tab(EVALUATE_TAB, id="evaluate"):
                evaluate_tab = EvaluateTab(engine, sessions, evaluations, links.place)
            with gr.Tab(LIVE_TAB, id="live") as live:
                live_tab = LiveTab(engine, sessions)
            with gr.Tab(texts.MODELS_TAB, id="models"):
                models_tab = ModelsTab(engine, sessions)
        # Before the tabs: an event of theirs that has the name of an endpoint would take it from the endpoint.
        add_endpoints(engine, sessions)
        add_compare_endpoint(engine, sessions)
        add_follow_endpoint(engine, sessions)
        add_evaluate_endpoint(engine, sessions, evaluations)
        segment_tab.connect(page)
        compare_tab.connect(compare)
        follow_tab.connect(following)
        evaluate_tab.connect(page)
        live_tab.connect(live)
        choices = {"segment": segment_tab.parts["checkpoint"], "compare": compare_tab.parts["checkpoints"]}
        choices["evaluate"] = evaluate_tab.parts["checkpoints"]
        segment_tab.follow_checkpoint(models_tab.connect(page, tabs, choices)["segment"].then)
        header.follow(segment_tab.parts["heading"].change)
        links.connect(tabs, segment_tab, compare_tab, evaluate_tab)
        page.unload(sessions.end)
    page._queue.max_size = None  # where a GPU is lent Gradio lets one event wait; the edge of the server counts them
    page._queue.progress_update_sleep_when_free = PROGRESS_EVERY_S
    page.space_id = None  # on a Space the page would ask other hosts for fonts, and for a bar that names the Space
    return page


def launch_options(settings: Settings) -> dict[str, Any]:
    """What ``launch`` is told, so that nothing is recorded, served or fetched beyond what the page needs.

    Its ``app_kwargs`` hold the edge of the server, without which the gate of the page knows no uploads.
    """
    return {
        "theme": make_theme(),
        "css_paths": [
            *(STYLESHEET, BAR_STYLESHEET, EVALUATE_STYLESHEET, COMPARE_STYLESHEET, MODELS_STYLESHEET, LIVE_STYLESHEET),
        ],
        "js": "() => {" + "".join(f"({script.read_text(encoding='utf-8')})();" for script in SCRIPTS) + "}",
        "footer_links": ["api"],
        "i18n": GRADIO_WORDS,
        "run_history": False,
        "enable_monitoring": False,
        "show_error": False,
        "strict_cors": True,
        "allowed_paths": [],
        "max_file_size": f"{settings.max_file_mb}mb",
        "ssr_mode": False,
        "pwa": False,
        "max_threads": THREADS,
        "app_kwargs": edge_options(),
    }


def _share_heaps() -> None:
    """Have glibc keep two heaps for all threads: by default each thread's own keeps what its last visitor took.

    Source: mallopt(3), M_ARENA_MAX. Other systems' allocators do without.
    """
    m_arena_max = -8
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(m_arena_max, 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until it is interrupted, by Ctrl-C or as services are ended.

    Returns:
        The exit code: 2 where a setting cannot be used.
    """
    for ending in ENDINGS:
        signal.signal(ending, signal.default_int_handler)
    _share_heaps()
    be_impatient()
    try:
        options = spoken_parser(_parser()).parse_args(arguments)
        settings, accounts = _settings(options), read_accounts(options.auth)
        with server_folder():
            if options.mcp:
                serve(Engine(settings))
                return 0
            example = Example(Engine(settings))
            comparison = ComparisonExample(example)
            sessions = Sessions(max_runs=settings.max_jobs)
            page = build_app(settings, example=example, comparison=comparison, sessions=sessions, hosts=_hosts(options))
            _launch(page, options, settings, accounts)
            comparison.start()  # which waits for the example first
            _wait_for_the_end(page, sessions)
    except KeyboardInterrupt:
        pass
    except (MedsegError, OSError) as error:
        say(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _launch(page: Page, options: argparse.Namespace, settings: Settings, accounts: Sequence[tuple[str, str]]) -> None:
    """Serve the page, to those who log in where there are accounts.

    Raises:
        OptionError: It cannot be reached there.
        OSError: The port is taken.
    """
    page.asks_hub = asks_hub() and not accounts
    login: dict[str, Any] = {"auth_dependency": hub_user} if page.asks_hub else {"auth": list(accounts) or None}
    host, port = options.host, options.port
    try:
        page.launch(
            server_name=host, server_port=port, root_path=options.root_path, prevent_thread_lock=True,
            **login, **launch_options(settings),
        )  # fmt: skip
    except ValueError as error:  # how Gradio says that it does not reach its own page
        page.close(verbose=False)
        raise OptionError(
            f"The page was started, but it cannot be reached under {host}:{port} from this computer. Check --host, and "
            "where a proxy is set, add the host to NO_PROXY."
        ) from error


def _wait_for_the_end(page: gr.Blocks, sessions: Sessions) -> None:
    """Return a moment after an interrupt, when no run writes any more."""
    try:
        while page.is_running:
            time.sleep(0.1)
    finally:
        for ending in ENDINGS:  # a second one would keep the files from being deleted
            signal.signal(ending, signal.SIG_IGN)
        sessions.end_all(patience_s=PATIENCE_S)
        page.server.force_exit = True  # uploads and streams that go on would be waited for
        page.close(verbose=False)


def _settings(options: argparse.Namespace) -> Settings:
    folders = {
        "checkpoints_dir": options.checkpoints,
        "test_sets_dir": options.test_sets,
        "results_dir": options.results,
    }
    given = {name: folder for name, folder in folders.items() if folder is not None}
    settings = replace(Settings.from_environment(public=options.public), **given)
    if settings.public:
        forbid_programs()
    return settings


def _hosts(options: argparse.Namespace) -> list[str]:
    """The names of the page: the one it is bound to, this computer's, a Space's, and those that were given."""
    space = os.environ.get("SPACE_HOST", "").split(",")
    return [name.strip() for name in (options.host, socket.gethostname(), *space, *options.allow_host) if name.strip()]


def _parser() -> argparse.ArgumentParser:
    on_space = "SPACE_ID" in os.environ
    parser = argparse.ArgumentParser(description="Segment medical images in the browser.")
    parser.add_argument("--host", default="0.0.0.0" if on_space else "127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=7860, help="default: %(default)s")
    parser.add_argument("--checkpoints", type=Path, metavar="DIR", help="the folder of checkpoint folders")
    parser.add_argument("--test-sets", type=Path, metavar="DIR", help="the folder of test-set folders")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where evaluation results are kept")
    parser.add_argument(
        "--public", action="store_true", default=on_space, help="the limits of a page that strangers reach"
    )
    parser.add_argument(
        "--auth",
        action="append",
        default=[],
        metavar="USER:FILE",
        help="an account, with its password in a file; repeatable",
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name the page is opened under; repeatable"
    )
    parser.add_argument("--mcp", action="store_true", help="no page, but tools for an agent that started this (MCP)")
    parser.add_argument("--root-path", default="", metavar="PATH", help="where a proxy shows the page, such as /demo")
    return parser


def _leave(code: int) -> NoReturn:
    """End the process without waiting for threads that a network computes in: nothing is left to clean up."""
    for child in multiprocessing.active_children():
        child.terminate()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
