import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

from medseg_demo.errors import InvalidCheckpointError, UnknownCheckpointError
from medseg_demo.models.hub import fetch

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((self.command, path, self.headers.get("Authorization")))
        if path.startswith("/api/models/"):
            return self.describe(*path.removeprefix("/api/models/").partition("/revision/")[::2])
        name, _, rest = path.removeprefix("/").partition("/resolve/")
        commit, _, file = rest.partition("/")
        content = self.server.repositories.get(name, {}).get(file)
        if content is None or commit != COMMIT:
            return self.answer(b"{}", 404, X_Error_Code="EntryNotFound")
        return self.answer(content, X_Repo_Commit=COMMIT, ETag=f'"{hashlib.sha1(content).hexdigest()}"')

    def describe(self, name, revision):
        if name in self.server.gated:
            return self.answer(b"{}", 403, X_Error_Code="GatedRepo")
        if name not in self.server.repositories:
            return self.answer(b"{}", 404, X_Error_Code="RepoNotFound")
        if revision not in ("", "main", "v1", COMMIT):
            return self.answer(b"{}", 404, X_Error_Code="RevisionNotFound")
        files = self.server.repositories[name]
        sizes = self.server.sizes
        siblings = [{"rfilename": file, "size": sizes.get(file, len(content))} for file, content in files.items()]
        return self.answer(json.dumps({"id": name, "sha": COMMIT, "siblings": siblings}).encode())

    def answer(self, body, status=200, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def hub():
    """A Hub on this computer: its repositories, what sizes it claims, and what it was asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.repositories, server.sizes, server.gated, server.asked = {}, {}, set(), []
    server.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def get(hub, folder, name="owner/lungs", **options):
    return fetch(name, folder, **{"most_mb": 10, "endpoint": hub.address} | options)


def test_what_is_read_comes_at_one_commit_and_nothing_else(hub, tmp_path):
    files = {"config.json": b"{}", "model.safetensors": b"w" * 5000, "README.md": b"# A", "fold_0/plans.json": b"{}"}
    left = {"run.py": b"import os", "pytorch_model.bin": b"p", "optimizer.pt": b"o", ".gitattributes": b"x"}
    hub.repositories["owner/lungs"] = files | left
    told = []
    assert get(hub, tmp_path / "d", revision="v1", progress=lambda *done: told.append(done)) == COMMIT
    found = {path.relative_to(tmp_path / "d").as_posix() for path in (tmp_path / "d").rglob("*") if path.is_file()}
    assert found == set(files)
    assert (tmp_path / "d" / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert told[-1][0] > 5000
    assert {path for _, path, _ in hub.asked if "/resolve/" in path} == {
        f"/owner/lungs/resolve/{COMMIT}/{name}" for name in files
    }


@pytest.mark.parametrize("signed_in", [True, False])
def test_the_token_of_this_computer_is_used_by_its_owner_alone(hub, tmp_path, monkeypatch, signed_in):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.repositories["owner/lungs"] = {"model.safetensors": b"w"}
    get(hub, tmp_path / "d", signed_in=signed_in)
    assert {token for *_, token in hub.asked} == ({"Bearer hf_secret"} if signed_in else {None})


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"weights.pkl": b"p"}, "weights.pkl alone, a program"),
        ({"README.md": b"r", "model.h5": b"h"}, "no weights that can be read here .there is: README.md, model.h5"),
        ({}, "there is: nothing"),
        ({"../../evil.safetensors": b"e"}, "no weights"),
    ],
)
def test_what_holds_no_weights_is_refused(hub, tmp_path, files, words):
    hub.repositories["owner/lungs"] = files
    with pytest.raises(InvalidCheckpointError, match=words):
        get(hub, tmp_path / "d")
    assert not any("/resolve/" in path for _, path, _ in hub.asked)


def test_ten_gigabytes_are_refused_before_any_is_read(hub, tmp_path):
    hub.repositories["owner/lungs"], hub.sizes["model.safetensors"] = {"model.safetensors": b"w"}, 10 * 2**30
    with pytest.raises(InvalidCheckpointError, match="10240 MiB, more than the 10 MiB that are read"):
        get(hub, tmp_path / "d")
    assert not any("/resolve/" in path for _, path, _ in hub.asked)


def test_what_is_not_there_is_said(hub, tmp_path):
    hub.repositories["owner/lungs"], hub.gated = {"model.safetensors": b"w"}, {"owner/gated"}
    with pytest.raises(UnknownCheckpointError, match="no repository owner/other"):
        get(hub, tmp_path, "owner/other")
    with pytest.raises(UnknownCheckpointError, match="no revision 'v9'"):
        get(hub, tmp_path, revision="v9")
    with pytest.raises(UnknownCheckpointError, match="accept its terms"):
        get(hub, tmp_path, "owner/gated")


@pytest.mark.parametrize("name", ["", "lungs", "a/b/c", "../b", "http://a/b", "owner/..", "a/b?x=1"])
def test_only_an_id_is_asked_for(hub, tmp_path, name):
    with pytest.raises(UnknownCheckpointError, match="no repository of the Hub"):
        get(hub, tmp_path, name)
    with pytest.raises(UnknownCheckpointError, match="no revision"):
        get(hub, tmp_path, revision="../main")
    assert hub.asked == []


def test_without_a_network_that_is_said(tmp_path):
    with pytest.raises(UnknownCheckpointError, match=r"did not give owner/lungs .*Check the network"):
        fetch("owner/lungs", tmp_path, most_mb=1, endpoint="http://127.0.0.1:9")


def test_offline_is_said(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UnknownCheckpointError, match="work offline"):
        fetch("owner/lungs", tmp_path, most_mb=1)


def test_a_download_is_ended_by_who_is_told_of_it(hub, tmp_path):
    def stop(done, total):
        raise KeyError("stopped")

    hub.repositories["owner/lungs"] = {"model.safetensors": b"w" * 100}
    with pytest.raises(KeyError):
        get(hub, tmp_path, progress=stop)
