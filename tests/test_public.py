"""The page as strangers attack it: whose files an event may name, which names and headers are believed, and limits."""

import gzip
import json
import os
import re
import secrets
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from served_page import API, SECRET, Server, start

from medseg_demo.settings import ROOT, Settings

CHECKPOINT = "lungs-unet-lite0"


def file_data(path: object) -> dict:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    before = os.environ.get("GRADIO_TEMP_DIR")
    running = start(Settings(checkpoints_dir=ROOT / "checkpoints", device="cpu"), tmp_path_factory.mktemp("uploads"))
    yield running
    running.page.close()
    os.environ.pop("GRADIO_TEMP_DIR") if before is None else os.environ.update(GRADIO_TEMP_DIR=before)


@pytest.fixture
def picture(tmp_path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(tmp_path / "scan.png")
    return tmp_path / "scan.png"


def events(server: Server) -> list[tuple[int, list[str]]]:
    """Every event of the page by its number, with the kinds of its inputs."""
    config = httpx.get(f"{server.url}config", timeout=60).json()
    kinds = {component["id"]: component["type"] for component in config["components"]}
    return [(one["id"], [kinds[place] for place in one["inputs"]]) for one in config["dependencies"]]


@pytest.fixture
def traps(server, tmp_path) -> dict[str, str]:
    """What an event may not name."""
    victim = server.upload(server.browser())
    link = Path(victim).parent / "link.png"
    link.unlink(missing_ok=True)
    link.symlink_to("/etc/passwd")
    outside = tmp_path / "scan.png"
    outside.write_text(SECRET)
    return {
        "upload root": str(server.uploads),
        "another's file": victim,
        "another's folder": str(Path(victim).parent),
        "above another's": f"{Path(victim).parent}/../{Path(victim).parent.name}/scan.png",
        "link": str(link),
        "server": "/etc/passwd",
        "program": str(ROOT / "app.py"),
        "outside": str(outside),
        "file address": f"file://{victim}",
        "address": "http://127.0.0.1:9/scan.png",
        "public address": "https://example.org/scan.png",
        "nothing": "",
    }


@pytest.mark.slow
def test_no_event_takes_what_its_session_did_not_upload(server, traps, monkeypatch, capfd):
    fetched = []
    monkeypatch.setattr(
        "gradio.processing_utils.async_ssrf_protected_download", lambda url, **_: fetched.append(url) or 1 / 0
    )
    stranger, wrong, met = server.browser(), [], set()
    for number, kinds in events(server):
        # Every event is tried; with every trap, one of each combination of inputs, on which alone the answer depends.
        names = ("another's file", "server") if tuple(kinds) in met else traps
        met.add(tuple(kinds))
        for name in names:
            path = traps[name]
            data = [None if kind == "state" else [file_data(path)] for kind in kinds]
            answers = [server.event(stranger, number, data, "stranger", {"value": file_data(path)})]
            if any(kind in ("file", "uploadbutton") for kind in kinds):
                data = [None if kind == "state" else file_data(path) for kind in kinds]
                answers.append(server.event(stranger, number, data, "stranger"))
            for answer in answers:
                words = answer.json().get("error") if answer.status_code == 500 else ""
                if not words or str(server.uploads) in answer.text or SECRET in answer.text:
                    wrong.append(f"{number} {name}: {answer.status_code} {answer.text[:80]}")
    assert wrong == []
    assert fetched == []
    assert "Traceback" not in capfd.readouterr().err


def test_a_visitor_uses_his_own_file_in_one_session(server):
    client = server.browser()
    path = server.upload(client)
    number, kinds = next((number, kinds) for number, kinds in events(server) if "uploadbutton" in kinds)
    data = [None if kind == "state" else [file_data(path)] for kind in kinds]
    assert "none that this session uploaded" not in server.event(client, number, data, "own").text
    assert "none that this session uploaded" in server.event(client, number, data, "second").text
    assert "none that this session uploaded" in server.event(server.browser(), number, data, "third").text


def test_equal_files_of_two_visitors_are_two_files(server):
    first, second = (server.upload(server.browser()) for _ in range(2))
    assert first != second
    assert Path(first).read_bytes() == Path(second).read_bytes()


def test_without_cookies_a_file_is_of_the_session_that_uses_it_first(server, picture):
    path = httpx.post(f"{server.url}{API}/upload", files={"files": ("scan.png", picture.read_bytes())}).json()[0]
    client = httpx.Client(base_url=server.url, timeout=60)
    assert endpoint(server, client, "segment", "first", *options_of(file_data(path))).status_code == 200
    assert "none that this session" in endpoint(server, client, "segment", "other", *options_of(file_data(path))).text


def endpoint(server: Server, client: httpx.Client, name: str, session: str, *data: object) -> httpx.Response:
    """Call an endpoint by its name, past the queue."""
    body = {"data": list(data), "session_hash": session}
    return client.post(f"{API}/run/{name}", json=body)


def options_of(file: object) -> list[object]:
    """What ``/segment`` is given, with the defaults."""
    return [file, CHECKPOINT, None, False, "none", 0, False, None, False, None, False, ""]


def test_clients_segment_their_own_files_one_after_the_other(server, picture):
    client = Client(server.url, verbose=False, download_files=str(picture.parent))
    for _ in range(2):
        assert client.predict(handle_file(picture), CHECKPOINT, api_name="/segment")[1]["classes"]


def test_the_queue_refuses_what_a_direct_call_is_refused(server):
    victim, stranger = server.upload(server.browser()), server.browser()
    joined = stranger.post(f"{API}/call/segment", json={"data": options_of(file_data(victim))}).json()
    answer = stranger.get(f"{API}/call/segment/{joined['event_id']}").text
    assert "event: error" in answer
    assert "none that this session uploaded" in answer


NO_FILES = ["scan.png", 5, ["a"], {"path": 5}, {"name": "scan.png"}, [{}], {"path": "a", "meta": 1}, {}, True]


@pytest.mark.parametrize("given", NO_FILES)
def test_what_is_no_file_is_refused_in_words(server, given, capfd):
    answer = endpoint(server, server.browser(), "segment", secrets.token_hex(8), *options_of(given))
    assert re.search("no uploaded file|one file is taken", answer.json()["error"])
    assert "Traceback" not in capfd.readouterr().err


def test_no_stranger_uses_or_hears_or_ends_anothers_session(server):
    owner, stranger = server.browser(), server.browser()
    number = next(number for number, kinds in events(server) if kinds == ["state"])
    server.event(owner, number, [None], "owners")
    assert "another browser" in server.event(stranger, number, [None], "owners").text
    assert stranger.get(f"{API}/queue/data", params={"session_hash": "owners"}).status_code == 403
    assert stranger.get(f"{API}/heartbeat/owners").status_code == 403
    assert httpx.get(f"{server.url}{API}/heartbeat/owners").status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "file=/etc/passwd",
        "file={uploads}",
        "file={uploads}/../../../../../../etc/passwd",
        "file=file:///etc/passwd",
        "file=http://127.0.0.1:{port}/",
        "file=https://example.org/",
        "file/etc/passwd",
        "proxy=http://127.0.0.1:{port}/",
        "component_server",
        "runs",
        "deep_link",
        "custom_component/1/client/a/b",
    ],
)
def test_closed_addresses_are_neither_opened_nor_fetched(server, path):
    asked = []

    class Inside(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    inside = HTTPServer(("127.0.0.1", 0), Inside)
    threading.Thread(target=inside.serve_forever, daemon=True).start()
    address = f"{server.url}{API}/" + path.format(uploads=server.uploads, port=inside.server_port)
    answer = httpx.get(address, timeout=60)
    inside.shutdown()
    assert answer.status_code in (403, 404, 405)
    assert "root:" not in answer.text
    assert asked == []


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:7860", "localhost.attacker.example", "", "a b"])
def test_a_page_under_anothers_name_is_not_served(server, host):
    for path in ("", "config", f"{API}/info", f"{API}/queue/data?session_hash=a"):
        answer = httpx.get(server.url + path, headers={"Host": host})
        assert answer.status_code in (400, 421)
        assert "--allow-host" in answer.text or answer.status_code == 400


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:7860", "192.168.0.7:7860"])
def test_this_computer_and_numbers_are_names_of_the_page(server, host):
    assert httpx.get(f"{server.url}config", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://attacker.example", "null", "http://198.51.100.7", "http://", "x"])
def test_pages_of_others_send_nothing(server, origin):
    for path in (f"{API}/upload", f"{API}/queue/join", f"{API}/run/segment"):
        assert httpx.post(server.url + path, headers={"Origin": origin}).status_code == 403
    answer = httpx.get(f"{server.url}config", headers={"Origin": origin})
    assert answer.status_code == 403
    assert httpx.get(f"{server.url}config", headers={"Origin": server.url.rstrip("/")}).status_code == 200


FORGED = {
    "X-Forwarded-Host": "attacker.example",
    "X-Gradio-Server": "http://attacker.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "1.2.3.4",
    "Forwarded": "host=attacker.example",
    "X-Original-URL": "/etc/passwd",
    "If-None-Match": "*",
    "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT",
}


def test_no_forged_header_turns_the_page_to_another_server(server):
    plain = httpx.get(server.url).text
    for name, value in FORGED.items():
        answer = httpx.get(server.url, headers={name: value})
        assert answer.status_code == 200
        assert "attacker.example" not in answer.text, name
        assert len(answer.text) == pytest.approx(len(plain), abs=200), name


@pytest.mark.parametrize(
    "header", ["bytes=0-3", "bytes=0-1-2", "bytes=3-1", "bytes=-2", "bytes=99999-999999", "bytes=a-b"]
)
def test_a_range_is_no_way_around_anything(server, header, capfd):
    client = server.browser()
    path = server.upload(client, b"0123456789")
    client.cookies.set("x", "SECRET")
    answer = client.get(f"{API}/file={path}", headers={"Range": header, "If-Range": "x"})
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert "SECRET" not in str(answer.headers)
    assert "Traceback" not in capfd.readouterr().err


def test_the_page_and_its_configuration_are_compressed_and_events_are_not(server):
    for path in ("", "config", f"{API}/info"):
        with httpx.stream("GET", server.url + path, headers={"Accept-Encoding": "gzip"}) as answer:
            packed = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        assert len(packed) < 0.2 * len(gzip.decompress(packed))
    with httpx.stream("GET", f"{server.url}{API}/heartbeat/compressed", headers={"Accept-Encoding": "gzip"}) as answer:
        assert "content-encoding" not in answer.headers
        assert next(answer.iter_raw()).startswith(b"data: ALIVE")


FORM = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="files"'
BROKEN = {
    "no form": (b"nothing", "text/plain"),
    "no kind": (b"", ""),
    "no boundary": (b"nothing", FORM),
    "a field": (PART + b"\r\n\r\nno file\r\n--x--\r\n", FORM),
    "half a file": (PART + b'; filename="a"\r\n\r\nhalf', FORM),
    "endless header": (b"--x\r\n" + b"a" * 20000, FORM),
}


@pytest.mark.parametrize(("body", "kind"), BROKEN.values(), ids=BROKEN)
def test_a_broken_upload_is_refused_in_words_and_leaves_nothing(server, body, kind, capfd):
    before = files_below(server.uploads)
    answer = httpx.post(f"{server.url}{API}/upload", content=body, headers={"Content-Type": kind})
    assert answer.status_code in (200, 400)
    assert answer.status_code == 400 or answer.json() == []
    assert files_below(server.uploads) - before == set()
    assert "Traceback" not in capfd.readouterr().err


def files_below(folder: Path) -> set[Path]:
    """Unlike a glob, this bears that others delete meanwhile."""
    return {Path(place, name) for place, _, names in os.walk(folder) for name in names}


def test_a_connection_that_breaks_off_during_an_upload_leaves_nothing(server):
    before = files_below(server.uploads)
    host, port = re.fullmatch(r"http://(.+):(\d+)/", server.url).groups()
    with socket.create_connection((host, int(port))) as connection:
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        connection.sendall(
            f"POST /{API}/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode()
            + head
            + SECRET.encode() * 100
        )
        for _ in range(200):
            arrived = files_below(server.uploads) - before
            if arrived:
                break
            threading.Event().wait(0.05)
        assert arrived
    for _ in range(200):
        if not files_below(server.uploads) - before:
            return
        threading.Event().wait(0.05)
    pytest.fail("its file is still there")


def test_one_run_too_many_is_refused_with_how_long_to_wait(server, picture, monkeypatch):
    runs, client = server.page.gate.sessions.runs, server.browser()
    monkeypatch.setattr(runs, "_most", 1)
    path = server.upload(client, picture.read_bytes())
    with runs.counted("before", next(iter(client.cookies.values()))):
        words = endpoint(server, client, "segment", "many", *options_of(file_data(path))).json()["error"]
    assert re.search(r"Try again when one of them has ended, in about \d+ s", words)


def test_a_request_of_many_megabytes_is_no_event(server):
    answer = httpx.post(
        f"{server.url}{API}/run/segment", content=json.dumps({"data": ["x" * (33 * 2**20)]}), timeout=60
    )
    assert answer.status_code in (400, 413)
