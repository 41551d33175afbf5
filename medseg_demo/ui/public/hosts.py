"""Under which names the page is served: against pages of others that have their own name point at this server.

Such a page (DNS rebinding) makes a browser send requests to a server inside its network under the page's own name. An
address in numbers cannot be turned like that, so it is always taken; names are taken from a list.
"""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})


class Hosts:
    """The names of a page.

    Args:
        allowed: Names beside those of this computer; one that begins with a dot stands for all names below it.
    """

    def __init__(self, allowed: Collection[str] = ()) -> None:
        self._allowed = {name.lower() for name in allowed}

    def serves(self, host: str) -> bool:
        """Whether a request with this Host header is taken."""
        name = host_name(f"//{host}")
        return name in LOOPBACK or _is_number(name) or self._is_allowed(name)

    def takes(self, origin: str, host: str) -> bool:
        """Whether a request from a page of this origin is taken: its own, or one that was allowed by name."""
        name, own = host_name(origin), host_name(f"//{host}")
        return bool(name) and (name == own or (name in LOOPBACK and own in LOOPBACK) or self._is_allowed(name))

    def _is_allowed(self, name: str) -> bool:
        below = {name[place:] for place, letter in enumerate(name) if letter == "."}
        return bool(name) and not self._allowed.isdisjoint({name, *below})


def host_name(address: str) -> str:
    """The name in an address, without port and in small letters; empty where there is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
