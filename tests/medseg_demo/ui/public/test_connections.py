import socket
import threading
import time

import pytest
import uvicorn

from medseg_demo.ui.public import connections

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def address(monkeypatch):
    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        await send({"type": "http.response.body", "body": b"x"})

    monkeypatch.setattr(connections, "PATIENCE_S", 0.2)
    config = uvicorn.Config(
        app, port=0, lifespan="off", log_level="error", http=connections.ImpatientProtocol, timeout_keep_alive=60
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("begun", [b"", HEAD, HEAD + b"\r\n", HEAD + b"\r\n" + HEAD], ids=["no", "half", "one", "more"])
def test_a_connection_on_which_nothing_is_asked_ends(address, begun):
    with socket.create_connection(address, 30) as client:
        client.sendall(begun)
        while client.recv(1024):
            pass


def test_a_connection_on_which_something_is_asked_goes_on(address, monkeypatch):
    looks, look = [], connections.ImpatientProtocol._look
    monkeypatch.setattr(connections.ImpatientProtocol, "_look", lambda self: (looks.append(self), look(self)))
    with socket.create_connection(address, 30) as client:
        while len(looks) < 4:
            client.sendall(HEAD + b"\r\n")
            answer = b""
            while not answer.endswith(b"x"):
                answer += (received := client.recv(1024))
                assert received, "the connection was ended"
