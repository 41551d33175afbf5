import socket
import sys

import pytest

from evaluation.errors import ClusterError
from evaluation.runs.cluster.connection import connect


def test_without_ray_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match="pip install"):
        connect(None)


@pytest.mark.parametrize("address", ["head", "ray://head:10001", "head:port"])
def test_addresses_of_other_forms_are_refused(address):
    with pytest.raises(ClusterError, match="not understood"):
        connect(address)


def test_an_address_that_does_not_answer_is_refused():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ClusterError, match="No cluster answers"):
            connect(f"127.0.0.1:{unused.getsockname()[1]}")
