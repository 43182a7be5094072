"""Timing against a clock that the test turns, and memory of real child processes."""

import sys
import time

import pytest
import torch

from wav2tok.speed import timing
from wav2tok.speed.timing import interleaved, median_seconds, peak_memory


class Clock:
    """A clock that stands still but for what a call is said to take."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def call(self, name, *seconds):
        """A function that takes the given seconds, call by call, the last of them for ever after."""
        left = list(seconds)

        def run():
            self.calls.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(timing, "perf_counter", lambda: made.now)
    return made


def test_the_median_leaves_out_the_warm_up(clock):
    assert median_seconds(clock.call("a", 100, 1, 9, 2), least_seconds=0) == 2
    assert len(clock.calls) == 4


def test_an_even_number_of_runs_gives_the_mean_of_the_middle_two(clock):
    assert median_seconds(clock.call("a", 100, 1, 9, 2, 4), least_seconds=0, least_runs=4) == 3


@pytest.mark.parametrize(
    ("options", "timed"),
    [
        ({"least_seconds": 0.0, "least_runs": 1}, 1),
        ({"least_seconds": 0.0}, 3),
        ({"least_seconds": 2.0}, 8),
        ({"least_seconds": 0.5, "least_runs": 5}, 5),
        ({"least_seconds": 2.0, "most_runs": 6}, 6),
        ({"least_seconds": 1e9}, 50),
    ],
)
def test_it_runs_until_both_minima_are_met_or_enough_is_enough(clock, options, timed):
    assert median_seconds(clock.call("a", 100, 0.25), **options) == 0.25
    assert len(clock.calls) == 1 + timed


@pytest.mark.parametrize("options", [{"least_runs": 0}, {"least_runs": 4, "most_runs": 3}])
def test_minima_that_cannot_be_met_are_refused(options):
    with pytest.raises(ValueError, match="least_runs"):
        median_seconds(lambda: None, **options)


def test_real_time_is_in_seconds():
    taken = median_seconds(lambda: time.sleep(0.02), least_seconds=0.05, device=torch.device("cpu"))
    assert 0.02 <= taken < 2


def test_interleaved_takes_turns_and_counts_no_warm_up(clock):
    runs = {"b": clock.call("b", 100, 1, 9, 2), "a": clock.call("a", 50, 4, 3, 30), "c": clock.call("c", 7)}
    assert interleaved(runs, rounds=3) == {"b": 2, "a": 4, "c": 7}
    assert clock.calls == ["b", "a", "c"] * 4


def test_interleaved_needs_a_round():
    with pytest.raises(ValueError, match="rounds is 0"):
        interleaved({"a": lambda: None}, rounds=0)


@pytest.mark.parametrize("which", ["median_seconds", "interleaved"])
def test_a_cuda_device_is_waited_for_before_and_after_every_timed_call(clock, monkeypatch, which):
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: clock.calls.append(str(device)))
    device, run = torch.device("cuda:0"), clock.call("run", 1)
    if which == "interleaved":
        interleaved({"a": run}, rounds=2, device=device)
    else:
        median_seconds(run, least_seconds=0, least_runs=2, device=device)
    assert clock.calls == ["run", *["cuda:0", "run", "cuda:0"] * 2]


def child(code):
    return peak_memory([sys.executable, "-c", code])


def test_peak_memory_is_that_of_the_child():
    _, small = child("pass")
    _, large = child("held = b'x' * (200 << 20)")
    assert large - small > 200 * 0.99
    assert large - small < 260
    # This process holds torch; its child does not, and must not be charged with it.
    assert 1 < small < 60


def test_peak_memory_is_the_peak_and_not_the_end():
    _, freed = child("held = b'x' * (200 << 20); del held; import time; time.sleep(.05)")
    assert freed > 200


def test_seconds_are_those_of_the_child():
    seconds, _ = child("import time; time.sleep(.3)")
    assert 0.3 <= seconds < 20


def test_what_the_child_prints_is_dropped(capfd):
    child("import sys; print('1 2 3'); print('noise', file=sys.stderr)")
    assert capfd.readouterr() == ("", "")


def test_a_failing_child_is_quoted():
    with pytest.raises(RuntimeError, match=r"exit status 3\n(.*\n)*line 28\nline 29$") as raised:
        child("import sys; [print('line', i, file=sys.stderr) for i in range(30)]; sys.exit(3)")
    assert "line 5\n" not in str(raised.value)


def test_a_killed_child_is_a_failure():
    with pytest.raises(RuntimeError, match="exit status -9"):
        child("import os; os.kill(os.getpid(), 9)")


def test_a_command_that_does_not_exist_is_named():
    with pytest.raises(RuntimeError, match=r"(?s)no-such-command: exit status not started.*FileNotFoundError"):
        peak_memory(["no-such-command"])
