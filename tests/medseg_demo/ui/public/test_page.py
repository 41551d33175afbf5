"""The gate and the edge around a small page."""

import secrets
from datetime import timedelta
from pathlib import Path

import gradio as gr
import httpx
import pytest
from starlette.middleware import Middleware

from medseg_demo.errors import OptionError
from medseg_demo.settings import Settings
from medseg_demo.ui.public import page as public_page
from medseg_demo.ui.public.edge import edge_options
from medseg_demo.ui.public.login import hub_user
from medseg_demo.ui.public.page import Gate, Page
from medseg_demo.ui.public.visitors import COOKIE
from medseg_demo.ui.session import Sessions, folder_of

UPLOAD = "/gradio_api/upload"
FILE = "/gradio_api/file="
SCAN = {"files": ("scan.png", b"x")}


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    sessions = Sessions()
    with Page() as page:
        page.gate = Gate(Settings(), sessions.add_state(), ["seg.example.org"])
        file, size = gr.File(), gr.Number()
        gr.Button().click(lambda path: Path(path).stat().st_size, file, size, api_name="size")
        gr.Button().click(lambda text: 1 / int(text), gr.Textbox(), size, api_name="divide")

        def times(request: gr.Request, number: int, factor: int = 3) -> int:
            return number * factor

        gr.api(times)
    return page


@pytest.fixture
def served(page):
    """Serves the page, as ``app.py`` does; a client without cookies each time."""

    def serve(**options) -> httpx.Client:
        if not page.is_running:
            page.launch(prevent_thread_lock=True, quiet=True, app_kwargs=edge_options(), **options)
        return httpx.Client(base_url=page.local_url, timeout=60)

    yield serve
    page.close()


class EmptySession:
    """As Gradio's on a Space, whose package is not needed elsewhere."""

    def __init__(self, app) -> None:
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        await self.app({**scope, "session": {}}, receive, send)


def size_of(client: httpx.Client, path: str, session: str = "a"):
    data = [{"path": path, "meta": {"_type": "gradio.FileData"}}]
    return client.post("/gradio_api/run/size", json={"data": data, "session_hash": session}).json()


def call_size(client: httpx.Client, path: str, **more) -> str:
    """Queue the event by name; its name."""
    body = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}], **more}
    return client.post("/gradio_api/call/size", json=body).json()["event_id"]


def test_a_page_gives_a_cookie_once_and_takes_its_uploads(page, served):
    client = served()
    first = client.get("/config")
    assert "HttpOnly" in first.headers["set-cookie"]
    assert "SameSite=Lax" in first.headers["set-cookie"]
    assert "set-cookie" not in client.get("/config").headers
    (path,) = client.post(UPLOAD, files=SCAN).json()
    assert size_of(client, path)["data"] == [1]
    client.cookies.clear()
    assert "none that this session" in size_of(client, path, "b")["error"]


def test_a_page_over_https_may_lie_in_a_frame(page, served):
    headers = {"Host": "seg.example.org", "X-Forwarded-Proto": "https"}
    cookie = served().get("/", headers=headers).headers["set-cookie"]
    assert "Secure; SameSite=None; Partitioned" in cookie


def test_what_a_visitor_writes_as_his_name_is_none(page, served):
    client = served()
    client.cookies.set(COOKIE, "../../etc")
    client.cookies.set(f"{COOKIE}-01234567", "f" * 32)
    assert COOKIE in client.get("/config").headers["set-cookie"]


def test_two_tabs_that_open_the_page_at_once_are_one_visitor(page, served):
    first, second, browser = served(), served(), served()
    for tab in (first, second):
        tab.get("/config")
        (path,) = tab.post(UPLOAD, files=SCAN).json()
        browser.cookies.update(tab.cookies)
        assert size_of(tab, path, secrets.token_hex(4))["data"] == [1]
    assert len(browser.cookies) == 2
    (path,) = first.post(UPLOAD, files=SCAN).json()
    assert size_of(browser, path, "both")["data"] == [1]
    assert "error" in size_of(second, path, "second")


def test_a_link_to_a_file_is_for_its_owner(page, served, tmp_path):
    owner, stranger, nobody = served(), served(), served()
    owner.get("/config")
    stranger.get("/config")
    (path,) = owner.post(UPLOAD, files=SCAN).json()
    page.gate.sessions.claim("mine", tuple(owner.cookies.values()))
    result = folder_of("mine") / "map.png"
    result.parent.mkdir(parents=True)
    result.write_bytes(b"x")
    around = f"{tmp_path}/x/../{Path(path).relative_to(tmp_path)}"
    for link in (path, str(result), around):
        assert owner.get(FILE + link).status_code == 200
        assert (stranger.get(FILE + link).status_code, nobody.get(FILE + link).status_code) == (404, 404)
    (loose,) = nobody.post(UPLOAD, files=SCAN).json()
    assert nobody.get(FILE + loose).status_code == 200
    (tmp_path / ".lock").write_text("")
    assert owner.get(f"{FILE}{tmp_path}/.lock").status_code == 404


def test_calls_by_name_share_an_upload_by_the_cookie(page, served):
    client = served()
    client.get("/config")
    (path,) = client.post(UPLOAD, files=SCAN).json()
    for _ in range(2):
        event = call_size(client, path)
        assert "complete" in client.get(f"/gradio_api/call/size/{event}").text
        assert client.get(f"/gradio_api/call/size/{event}").status_code == 404


def test_nobody_hears_or_cancels_another_visitors_event(page, served):
    owner, stranger = served(), served()
    for one in (owner, stranger):
        one.get("/config")
    (path,) = owner.post(UPLOAD, files=SCAN).json()
    event = call_size(owner, path, session_hash="owners")
    assert "complete" in owner.get(f"/gradio_api/call/size/{event}").text
    named = {"session_hash": "owners", "fn_index": 0, "event_id": event}
    for client, status in ((stranger, 403), (owner, 200)):
        assert client.post("/gradio_api/cancel", json=named).status_code == status
    event = call_size(owner, path, session_hash="owners")
    assert stranger.get(f"/gradio_api/call/size/{event}").status_code == 403
    unnamed = {"session_hash": "strangers", "fn_index": 0, "event_id": event}
    assert stranger.post("/gradio_api/cancel", json=unnamed).status_code == 403
    assert stranger.post("/gradio_api/queue/join", json=named | {"data": []}).status_code == 403


def test_an_unforeseen_error_is_told_in_words_and_not_what_was_sent(page, served, capfd):
    client = served()
    body = {"data": ["PATIENT-7319"]}
    answer = client.post("/gradio_api/run/divide", json=body).json()
    assert "did not foresee" in answer["error"]
    event = client.post("/gradio_api/call/divide", json=body).json()["event_id"]
    assert "did not foresee" in client.get(f"/gradio_api/call/divide/{event}").text
    assert "1 values are needed" in client.post("/gradio_api/run/divide", json={"data": [1, 2]}).json()["error"]
    assert "argument" in client.post("/gradio_api/call/v2/divide", json={}).json()["detail"]
    assert "PATIENT" not in "".join(capfd.readouterr())


def test_a_closed_session_takes_its_uploads_along(page, served):
    client = served()
    client.get("/config")
    (path,) = client.post(UPLOAD, files=SCAN).json()
    size_of(client, path)
    page.gate.sessions.end(type("Request", (), {"session_hash": "a"}))
    assert not Path(path).exists()


def test_gradios_copy_of_a_closed_page_is_forgotten_and_that_of_an_open_one_is_not(page, served):
    client = served()
    (path,) = client.post(UPLOAD, files=SCAN).json()
    for session in ("closed", "open"):
        size_of(client, path, session)
    holder = page.state_holder
    page.sweep()
    assert {"closed", "open"} <= set(holder.session_data)
    holder.time_last_used = {name: used - timedelta(minutes=10) for name, used in holder.time_last_used.items()}
    with page.kept_open("open"):
        page.sweep()
    assert "open" in holder.session_data
    assert "closed" not in holder.session_data


def test_the_oldest_of_many_left_sessions_are_forgotten_with_what_nobody_fetched(page, served, monkeypatch):
    monkeypatch.setattr(public_page, "MOST_LEFT", 3)
    client, body = served(), {"fn_index": 1, "data": ["2"]}
    events = [client.post("/gradio_api/call/divide", json={"data": ["2"]}).json()["event_id"] for _ in range(3)]
    with page.kept_open("open"):
        for number in range(6):
            name = "open" if number == 0 else f"left{number}"
            client.post("/gradio_api/run/predict", json={**body, "session_hash": name})
        page.sweep()
    assert set(page.state_holder.session_data) == {"open", "left3", "left4", "left5"}
    assert client.get(f"/gradio_api/call/divide/{events[0]}").status_code == 404


def test_gradio_keeps_no_copy_of_what_a_page_shows(page, served):
    client = served()
    answer = client.post("/gradio_api/run/predict", json={"fn_index": 1, "data": ["4"], "session_hash": "a"}).json()
    assert answer["data"] == [0.25]
    assert list(page.state_holder.session_data["a"].components) == []


def test_accounts_are_asked_before_anything_is_taken(page, served):
    client = served(auth=("anna", "correct horse"))
    assert client.post(UPLOAD, files=SCAN).status_code == 401
    assert client.get("/config").status_code == 401
    assert client.get("/gradio_api/heartbeat/a").status_code == 401
    ending = {"session_hash": "a", "fn_index": 0, "event_id": "b"}
    assert client.post("/gradio_api/cancel", json=ending).status_code == 401
    assert "dependencies" not in client.get("/").text.split('"auth_required":true')[0]
    login = {"username": "anna", "password": "correct horse"}
    assert client.post("/login", data=login).status_code == 200
    assert client.post(UPLOAD, files=SCAN).status_code == 200
    assert client.get("/config").json()["username"] == "anna"
    client.cookies.clear()
    assert client.get("/config").status_code == 401  # and is not kept for others


def test_passwords_are_not_tried_for_long(page, served):
    client = served(auth=("anna", "correct horse"))
    answers = []
    for number in range(12):
        name = f"{number:032x}"  # a new one each time, which costs nothing
        client.cookies.set(f"{COOKIE}-{name[:8]}", name)
        answers.append(client.post("/login", data={"username": "anna", "password": str(number)}))
    assert [answer.status_code for answer in answers] == [400] * 10 + [429] * 2
    assert answers[-1].headers["retry-after"]


def test_who_is_not_logged_in_by_the_hub_sees_the_way_there(page, served):
    options = edge_options()
    options["middleware"].insert(0, Middleware(EmptySession))
    page.launch(prevent_thread_lock=True, quiet=True, app_kwargs=options, auth_dependency=hub_user)
    client, page.asks_hub = httpx.Client(base_url=page.local_url, timeout=60), True
    answer = client.get("/")
    assert (answer.status_code, "Log in with Hugging Face" in answer.text) == (401, True)
    assert client.get("/config").status_code == 401
    assert client.post(UPLOAD, files=SCAN).status_code == 401


def test_arguments_that_are_left_out_at_the_end_have_their_defaults(page, served):
    client = served()
    assert client.post("/gradio_api/run/times", json={"data": [2]}).json()["data"] == [6]
    event = client.post("/gradio_api/call/times", json={"data": [2]}).json()["event_id"]
    assert "[6" in client.get(f"/gradio_api/call/times/{event}").text
    assert "2 values are needed" in client.post("/gradio_api/run/times", json={"data": []}).json()["error"]


def test_a_page_without_a_gate_is_left_as_it_is(page, served):
    client, page.gate = served(), None
    assert "set-cookie" not in client.get("/config").headers


def test_an_event_may_tell_of_a_result_of_its_own_session_alone(page, tmp_path):
    gate, pictures = page.gate, {}
    for session in ("mine", "other"):
        folder = folder_of(session)
        folder.mkdir(parents=True)
        (folder / "picture.png").write_bytes(b"x")
        pictures[session] = str(folder / "picture.png")
    (folder_of("mine") / "link.png").symlink_to(pictures["other"])

    gate.admit(("me",), "mine", [], [], {"value": {"image": {"path": pictures["mine"]}}})
    for path in (
        pictures["other"], str(folder_of("mine") / "link.png"), str(folder_of("mine")), str(tmp_path),
        f"{folder_of('mine')}/../{folder_of('other').name}/picture.png", "/etc/passwd",
    ):  # fmt: skip
        with pytest.raises(OptionError):
            gate.admit(("me",), "mine", [], [], {"value": {"image": {"path": path}}})
    with pytest.raises(OptionError):  # a result is no input
        gate.admit(("me",), "mine", [], [{"path": pictures["mine"]}], None)
