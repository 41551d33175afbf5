import asyncio

import pytest
from own_loop import run_alone

from medseg_demo.ui.public.bodies import watched
from medseg_demo.ui.public.uploads import Refused


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def receive(chunks: list[bytes], *, seconds: float = 0.0, most: int = 10**9) -> bytes:
    """The body of a request whose chunks each take so long."""
    clock, pending = Clock(), list(chunks)

    async def send() -> dict:
        clock.now += seconds
        return {"type": "http.request", "body": pending.pop(0), "more_body": bool(pending)}

    async def read() -> bytes:
        watch, got, more = watched(send, most, "too large", clock=clock), b"", True
        while more:
            message = await watch()
            got, more = got + message["body"], message["more_body"]
        return got

    return run_alone(read())


def test_a_body_comes_as_it_is():
    assert receive([b"ab", b"", b"c"]) == b"abc"


def test_a_large_body_is_refused():
    assert receive([bytes(6), bytes(4)], most=10) == bytes(10)
    with pytest.raises(Refused, match="too large") as refused:
        receive([bytes(6), bytes(5)], most=10)
    assert refused.value.status == 413


def test_a_body_may_be_slow_at_first_and_no_longer():
    assert receive([b"a"] * 10, seconds=2) == b"a" * 10
    with pytest.raises(Refused, match="16 KiB a second") as refused:
        receive([b"a"] * 12, seconds=2)
    assert refused.value.status == 408
    assert len(receive([bytes(40_000)] * 20, seconds=2)) == 800_000


def test_a_body_that_stands_still_is_refused():
    async def never() -> dict:
        await asyncio.Event().wait()
        return {}

    with pytest.raises(Refused, match="a second"):
        run_alone(watched(never, 10, "", idle_s=0.01)())


def test_what_comes_after_the_body_may_take_its_time():
    messages = [{"type": "http.request", "body": b"a"}, {"type": "http.disconnect"}]

    async def later() -> dict:
        await asyncio.sleep(0.05 if len(messages) == 1 else 0)
        return messages.pop(0)

    async def read() -> str:
        watch = watched(later, 10, "", idle_s=0.01)
        await watch()
        return (await watch())["type"]

    assert run_alone(read()) == "http.disconnect"
