"""A small stand-in of the package ``spaces`` on ZeroGPU: shares of visitors, and a forked worker that has the "GPU".

As the real one it tells PyTorch in this process that there is a GPU, and lets nothing reach it; a call without a
visitor has no share; the seconds that are asked for are compared with what is left of the share, and what was used is
taken from it. Each call has a worker of its own, and there is no card: in the worker PyTorch has its CPU.
"""

import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import gradio as gr
import torch
from gradio.context import LocalContext

FORK = multiprocessing.get_context("fork")
SHARE_S = float(os.environ.get("STAND_IN_SHARE_S", "119"))
CALL_S = float(os.environ.get("STAND_IN_CALL_S", "0"))  # what a call takes at least, on however fast a machine
FACTOR = 1.5  # of today's card, on what was asked for

left_s: dict[str, float] = defaultdict(lambda: SHARE_S)
asked_s: list[int] = []  # by each call, refused or not
workers: list[int] = []  # their process ids

_is_available, _init = torch.cuda.is_available, torch._C._cuda_init


def _refuse_cuda() -> None:
    raise RuntimeError("Low-level CUDA init reached outside of a worker")


def enter() -> None:
    """From now on PyTorch in this process says that it has a GPU."""
    torch.cuda.is_available, torch._C._cuda_init = (lambda: True), _refuse_cuda


def leave() -> None:
    """PyTorch is as it was."""
    torch.cuda.is_available, torch._C._cuda_init = _is_available, _init


def GPU(*, duration: Callable[..., int]) -> Callable[[Callable[..., Iterator]], Callable[..., Iterator]]:  # noqa: N802
    """The decorator, for generators alone."""

    def decorate(task: Callable[..., Iterator]) -> Callable[..., Iterator]:
        @wraps(task)
        def lend(*arguments: Any) -> Iterator:
            visitor = _let_in(round(duration(*arguments) * FACTOR))
            began = time.monotonic()
            own, other = FORK.Pipe()
            worker = FORK.Process(target=_run, args=(task, other, own), daemon=True)
            worker.start()
            workers.append(worker.pid)
            other.close()
            own.send(arguments)
            try:
                while True:
                    kind, value = own.recv()
                    if kind != "value":
                        break
                    yield value
                    own.send("go on")
                if kind == "error":
                    raise gr.Error(value, title="ZeroGPU worker error", print_exception=False)
            except EOFError:
                raise gr.Error("GPU task aborted", title="ZeroGPU worker error", print_exception=False) from None
            finally:
                own.close()
                worker.join()
                left_s[visitor] -= max(CALL_S, time.monotonic() - began)

        return lend

    return decorate


def gradio_auto_wrap(function: Any) -> Any:
    """Gradio asks for it on a Space; handlers have no GPU of their own."""
    return function


def _let_in(seconds: int) -> str:
    asked_s.append(seconds)
    request = LocalContext.request.get(None)
    if request is None:
        raise gr.Error("Space app has reached its GPU limit. Try …", title="ZeroGPU quota exceeded")
    visitor = request.client.host
    if seconds > left_s[visitor]:
        message = (
            f"You have exceeded your ZeroGPU quota ({seconds}s requested vs. {int(left_s[visitor])}s left). "
            "Try again in 9:08:07. "
        )
        raise gr.Error(message, title="ZeroGPU quota exceeded", print_exception=False)
    return visitor


def _run(task: Callable[..., Iterator], pipe: Any, callers: Any) -> None:
    callers.close()  # so that this process ends with the one that called
    leave()
    steps = task(*pipe.recv())
    try:
        for value in steps:
            pipe.send(("value", value))
            if pipe.recv() != "go on":
                return
        pipe.send(("end", None))
    except (EOFError, BrokenPipeError):  # nobody wants the rest
        steps.close()
    except Exception as error:
        pipe.send(("error", type(error).__name__))


if os.environ.get("SPACES_ZERO_GPU"):
    enter()
