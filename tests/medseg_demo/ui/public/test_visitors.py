from types import SimpleNamespace

import pytest

from medseg_demo.ui.public.visitors import is_owner


def request(host, **headers):
    return SimpleNamespace(client=SimpleNamespace(host=host), headers=headers)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1"])
def test_who_sits_at_the_computer_is_the_owner(host):
    assert is_owner(request(host))


@pytest.mark.parametrize(
    "one",
    [
        request("192.168.0.7"),
        request("8.8.8.8"),
        request(""),
        request("localhost.example.org"),
        request("127.0.0.1", **{"x-forwarded-for": "8.8.8.8"}),
        request("127.0.0.1", via="1.1 proxy"),
        SimpleNamespace(),
    ],
)
def test_nobody_else_is(one):
    assert not is_owner(one)
