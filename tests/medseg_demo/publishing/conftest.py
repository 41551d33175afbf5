import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from torch import nn

from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import save_checkpoint
from medseg_demo.settings import Settings


class Hub:
    """What the Hugging Face Hub would have: repositories, and what it was asked."""

    def __init__(self):
        self.repositories, self.made, self.refusal, self.asked = {}, [], None, []

    def commit(self, repository, lines):
        files = self.repositories[repository]
        for line in lines:
            value = line["value"]
            if line["key"] == "deletedFile":
                files.pop(value["path"])
            elif line["key"] == "file":
                files[value["path"]] = value["content"]


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, document, status=200, **headers):
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def repository(self):
        parts = self.path.split("?")[0].split("/")
        return "/".join(parts[2 if parts[1] != "api" else 3 :][:2])

    def do_GET(self):
        self.hub.asked.append((self.path.split("?")[0], self.headers.get("Authorization")))
        name = self.repository()
        if name not in self.hub.repositories:
            return self.answer({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        if "/tree/" in self.path:
            files = self.hub.repositories[name]
            return self.answer([{"type": "file", "path": path, "size": 1, "oid": "0"} for path in files])
        return self.answer({"id": name, "sha": "0" * 40, "siblings": []})

    def do_POST(self):
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.asked.append((self.path.split("?")[0], self.headers.get("Authorization")))
        if self.hub.refusal:
            status, message = self.hub.refusal
            return self.answer({"error": message}, status, X_Error_Message=message)
        if self.path.startswith("/api/validate-yaml"):
            return self.answer({"errors": [], "warnings": []})
        if self.path.startswith("/api/repos/create"):
            asked = json.loads(content)
            self.hub.made.append(asked)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            self.hub.repositories[name] = {"README.md": "made by the Hub", "notes.txt": "of its owner"}
            return self.answer({"url": f"{self.server.address}/{name}", "name": name})
        if "/preupload/" in self.path:
            # How large files are sent is the library's own affair; here all come within the commit.
            paths = [one["path"] for one in json.loads(content)["files"]]
            told = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
            return self.answer({"files": told})
        self.hub.commit(self.repository(), [json.loads(line) for line in content.splitlines()])
        address = self.server.address + self.path.split("/commit/")[0].removeprefix("/api").replace("/models/", "/")
        return self.answer({"commitUrl": f"{address}/commit/0", "commitOid": "0" * 40, "success": True})


@pytest.fixture
def hub(monkeypatch):
    """A stand-in of the Hub on this computer; the token may write there."""
    from huggingface_hub import constants

    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OwnHandler", (Handler,), {"hub": hub}))
    server.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    yield hub
    server.shutdown()
    server.server_close()


class Small(nn.Module):
    def save_pretrained(self, folder):
        config = {"_model_class": "Unet", "encoder_name": "resnet18", "in_channels": 1, "classes": 1}
        (folder / "config.json").write_text(json.dumps(config))

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 1))


@pytest.fixture
def settings(tmp_path):
    """Checkpoints "lungs-unet-tiny", which reference runs know, and "own"."""
    scores = {"val": {"dice_mean": 0.875, "n": 4}}
    sources = [{"name": "Some images", "licence": "CC BY 4.0", "credit": "Some people"}]
    card = ModelCard(task="bright things", class_names=("bright",), in_channels=1, scores=scores, training_data=sources)
    for name in ("lungs-unet-tiny", "own"):
        save_checkpoint(tmp_path / "checkpoints" / name, Small(), card)
        (tmp_path / "checkpoints" / name / "notes.txt").write_text("of its owner")
    (tmp_path / "checkpoints" / "own" / "README.md").write_text("---\nlicense: other\n---\n\n# Mine\n\nIts story.\n")
    (tmp_path / "checkpoints" / "broken").mkdir()
    return Settings(checkpoints_dir=tmp_path / "checkpoints")
