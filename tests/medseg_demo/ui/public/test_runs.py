import gradio as gr
import pytest

from medseg_demo.ui.public.runs import Runs


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_visitor_has_so_many_runs_at_once_in_all_his_sessions():
    runs = Runs(2)
    with runs.counted("a", "anna"):
        with runs.counted("b", "anna"), runs.counted("c", "ben"):
            assert runs.busy == {"a", "b", "c"}
            with pytest.raises(gr.Error, match="2 of your runs go on"), runs.counted("d", "anna"):
                pytest.fail("it was let in")
        with runs.counted("d", "anna"):
            assert runs.busy == {"a", "d"}
    assert runs.busy == set()


def test_a_refusal_says_how_long_runs_usually_take():
    clock = Clock()
    runs = Runs(1, clock)
    for _ in range(40):
        with runs.counted("a", "anna"):
            clock.now += 20
    with runs.counted("a", "anna"):
        clock.now += 5
        with pytest.raises(gr.Error, match="in about 15 s"), runs.counted("a", "anna"):
            pytest.fail("it was let in")


def test_a_run_that_fails_is_over():
    runs = Runs(1)
    with pytest.raises(ZeroDivisionError), runs.counted("a", "anna"):
        raise ZeroDivisionError
    assert runs.busy == set()
