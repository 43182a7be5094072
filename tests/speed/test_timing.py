"""Timing with a clock that the test turns, and the memory of real child processes."""

import sys

import pytest

from wav2tok.speed import timing
from wav2tok.speed.timing import interleaved, median_seconds, peak_memory


class Clock:
    """A clock that stands still except for the duration that each call is given."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def call(self, name, *seconds):
        """A function that takes the given seconds, one number per call; further calls take the last one."""
        left = list(seconds)

        def run():
            self.calls.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "perf_counter", lambda: clock.now)
    return clock


@pytest.mark.parametrize(("least_seconds", "timed"), [(0.1, 1), (2.0, 8)])
def test_calls_are_timed_until_they_have_taken_long_enough(clock, least_seconds, timed):
    assert median_seconds(clock.call("a", 100, 0.25), least_seconds=least_seconds) == 0.25
    assert len(clock.calls) == 1 + timed  # the first call does not count


def test_interleaved_calls_take_turns(clock):
    runs = {"b": clock.call("b", 100, 1, 9, 2), "a": clock.call("a", 50, 4, 3, 30), "c": clock.call("c", 7)}
    assert interleaved(runs, rounds=3) == {"b": 2, "a": 4, "c": 7}
    assert clock.calls == ["b", "a", "c"] * 4


def child(code):
    return peak_memory([sys.executable, "-c", code])


def test_peak_memory_is_the_peak_of_the_child_alone():
    _, small = child("pass")
    _, freed = child("held = b'x' * (200 << 20); del held; import time; time.sleep(.05)")
    assert 200 * 0.99 < freed - small < 260
    # This process holds torch; its child does not, and must not be charged for it.
    assert 1 < small < 60


def test_a_failing_child_is_quoted():
    with pytest.raises(RuntimeError, match=r"exit status 3\n(.*\n)*line 28\nline 29$") as raised:
        child("import sys; [print('line', i, file=sys.stderr) for i in range(30)]; sys.exit(3)")
    assert "line 5\n" not in str(raised.value)
    with pytest.raises(RuntimeError, match="exit status -9"):
        child("import os; os.kill(os.getpid(), 9)")
