"""The page as ``app.py`` launches it, within the tests' own process, and what a client without a browser asks of it."""

import os
import socket
from pathlib import Path

import httpx

import app
from medseg_demo.settings import Settings

API = "gradio_api"
SECRET = "PATIENT-7319"


class Server:
    """A running page, and what a client without a browser asks of it."""

    def __init__(self, url: str, uploads: Path, page) -> None:
        self.url, self.uploads, self.page = url, uploads, page

    def browser(self) -> httpx.Client:
        """One visitor with cookies."""
        client = httpx.Client(base_url=self.url, timeout=60)
        client.get("config")
        return client

    def upload(self, client: httpx.Client, content: bytes = SECRET.encode(), name: str = "scan.png") -> str:
        answer = client.post(f"{API}/upload", files={"files": (name, content)})
        answer.raise_for_status()
        return answer.json()[0]

    def event(self, client: httpx.Client, number: int, data: list, session: str, event_data: object = None):
        """Send one event past the queue."""
        body = {"fn_index": number, "data": data, "session_hash": session, "event_data": event_data}
        return client.post(f"{API}/run/predict", json=body)


def start(settings: Settings, folder: Path, **launched):
    """The page, launched as ``app.py`` does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    page = app.build_app(settings)
    options = {"server_name": "127.0.0.1", "server_port": port, "prevent_thread_lock": True, "quiet": True}
    _, url, _ = page.launch(**options, **launched, **app.launch_options(settings))
    return Server(url, folder, page)
