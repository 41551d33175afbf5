"""Events that no page sends, and Gradio believes."""

import gradio as gr
import httpx
import pytest

from medseg_demo.settings import Settings
from medseg_demo.ui.public.edge import edge_options
from medseg_demo.ui.public.page import Gate, Page
from medseg_demo.ui.session import Sessions

EVENTS = ["queue/join", "call/double", "run/double", "api/double", "cancel", "reset"]
NO_EVENTS = {
    "nothing": b"",
    "broken": b'{"data":',
    "no object": b"[1]",
    "no number": b'{"data": [NaN]}',
    "deep": b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "half a letter": b'{"data": ["\\ud800"]}',
    "other coding": '{"data": [1]}'.encode("utf-16"),
    "no function": b'{"data": [1], "fn_index": -1, "session_hash": "a"}',
    "half a function": b'{"data": [1], "fn_index": 0.5, "session_hash": "a"}',
    "true for a function": b'{"data": [1], "fn_index": true, "session_hash": "a"}',
    "empty session": b'{"data": [1], "fn_index": 0, "session_hash": ""}',
    "number for a session": b'{"data": [1], "fn_index": 0, "session_hash": 5}',
    "path for a session": b'{"data": [1], "fn_index": 0, "session_hash": "../a"}',
    "long session": b'{"data": [1], "fn_index": 0, "session_hash": "' + b"a" * 65 + b'"}',
}


@pytest.fixture(scope="module")
def client():
    with Page() as page:
        page.gate = Gate(Settings(), Sessions().add_state())
        gr.Button().click(lambda number: 2 * number, gr.Number(), gr.Number(), api_name="double")
    page.launch(prevent_thread_lock=True, quiet=True, app_kwargs=edge_options())
    yield httpx.Client(base_url=f"{page.local_url}gradio_api/", timeout=60)
    page.close()


@pytest.mark.parametrize("body", NO_EVENTS.values(), ids=NO_EVENTS)
def test_what_is_no_event_is_refused_in_words_at_every_address(client, body, capfd):
    for address in EVENTS:
        answer = client.post(address, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400
        assert answer.json()["detail"].endswith(".")
    assert "Traceback" not in capfd.readouterr().err


def test_an_event_reaches_its_handler_as_it_was_sent(client):
    for body in ({"data": [21]}, {"data": [21], "session_hash": "a-b_C1", "trigger_id": 0, "event_data": {"x": 1}}):
        assert client.post("run/double", json=body).json()["data"] == [42]


@pytest.mark.parametrize("told", [5, "x", [], {"index": "a"}, {"_data": None}, None])
def test_whatever_is_told_of_an_event_ends_in_words(client, told, capfd):
    answer = client.post("run/double", json={"data": [1], "event_data": told, "session_hash": "told"})
    assert answer.json().get("data") == [2] or answer.json()["error"].endswith(".")
    assert "Traceback" not in capfd.readouterr().err
