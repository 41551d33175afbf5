import pytest

from medseg_demo.ui.public.hosts import Hosts

HOSTS = Hosts(["seg.example.org", ".lab.example"])


@pytest.mark.parametrize(
    "host", ["localhost:7860", "127.0.0.1", "[::1]:1", "10.0.0.7:80", "SEG.example.org", "a.lab.example"]
)
def test_own_names_numbers_and_allowed_names_are_served(host):
    assert HOSTS.serves(host)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "seg.example.org.evil.example", "xlab.example", "127.0.0.1.nip.io", "["]
)
def test_other_names_are_not(host):
    assert not HOSTS.serves(host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:3000", "127.0.0.1:7860"),
        ("http://10.0.0.7:7860", "10.0.0.7:7860"),
        ("https://seg.example.org", "10.0.0.7"),
        ("https://a.lab.example", "localhost"),
    ],
)
def test_own_pages_and_allowed_ones_send_requests(origin, host):
    assert HOSTS.takes(origin, host)


@pytest.mark.parametrize("origin", ["null", "", "https://evil.example", "http://203.0.113.5", "http://[", "localhost"])
def test_pages_of_others_do_not(origin):
    assert not HOSTS.takes(origin, "localhost:7860")
