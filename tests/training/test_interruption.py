"""A signal at any place of a training: it ends at once, and goes on as if nothing had happened."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

from tests.helpers import changed
from tests.training.trainings import assert_same, fit
from wav2tok.config.schema import Config
from wav2tok.model import checkpoint
from wav2tok.training import loop
from wav2tok.training.interruption import Interruption


@pytest.fixture
def terminable() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt, as in the command line."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, terminate)
    yield
    signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def signalled(patch: pytest.MonkeyPatch, owner: Any, name: str, call: int) -> Iterator[None]:
    """SIGTERM comes at the end of the given call of a function, counted from 1; the block must be interrupted."""
    real: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def counted(*args: Any, **more: Any) -> Any:
        nonlocal calls
        made = real(*args, **more)
        calls += 1
        if calls == call:
            signal.raise_signal(signal.SIGTERM)
        return made

    with patch.context() as context:
        context.setattr(owner, name, counted)
        with pytest.raises(KeyboardInterrupt):
            yield
    assert calls >= call


@pytest.fixture(scope="module")
def short(tiny_config: Config) -> Config:
    """Two epochs of contrast and one of EM, of eight steps each, with E-steps within the third epoch."""
    return changed(tiny_config, augment={"share": 1.0})


@pytest.fixture(scope="module")
def undisturbed(tiny_split: Path, short: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "model"
    fit(tiny_split, out, short)
    return out


# What a signal interrupts, at which call of it, and after which epoch and step of the next one the training goes on.
PLACES = {
    "the forward pass of a step": (loop.Trainer, "views", 5, (0, 4)),
    "the change of the weights": (Interruption, "commit", 3, (0, 3)),
    "the E-step at the end of an epoch": (loop, "e_step", 1, (0, 8)),
    "an E-step within an epoch": (loop, "e_step", 4, (2, 3)),
    "validation": (loop, "validate", 2, (1, 8)),
    "the writing of a checkpoint": (checkpoint, "save_file", 3, None),
}


@pytest.mark.promise(
    "SIGTERM or Ctrl-C in a training",
    "It ends at once; the same command goes on after the last whole step, with the same weights in the end.",
)
@pytest.mark.parametrize("place", PLACES)
def test_a_signal_loses_less_than_a_step(
    tiny_split: Path,
    short: Config,
    undisturbed: Path,
    tmp_path: Path,
    terminable: None,
    monkeypatch: pytest.MonkeyPatch,
    lines: list[str],
    place: str,
) -> None:
    owner, name, call, reached = PLACES[place]
    with signalled(monkeypatch, owner, name, call):
        fit(tiny_split, tmp_path, short)
    if reached is not None:
        epoch, steps = reached
        info = checkpoint.peek(tmp_path / "last.safetensors")
        assert (info["epoch"], len(info["begun"]), info["step"]) == (epoch, steps, 8 * epoch + steps)
        said = f"epoch {epoch} and {steps} steps"
        assert f"stopped after {said}; the same command resumes from {tmp_path}" in lines
        lines.clear()
        fit(tiny_split, tmp_path, short)
        assert any(line.startswith(f"resuming after {said} in ") for line in lines)
    else:
        fit(tiny_split, tmp_path, short)
    assert_same(undisturbed, tmp_path)
    assert not list(tmp_path.glob(".wav2tok-*"))


def test_a_training_that_is_stopped_twice_in_an_epoch_goes_on(
    tiny_split: Path,
    short: Config,
    undisturbed: Path,
    tmp_path: Path,
    terminable: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for call in (3, 3):
        with signalled(monkeypatch, loop.Trainer, "views", call):
            fit(tiny_split, tmp_path, short)
    assert len(checkpoint.peek(tmp_path / "last.safetensors")["begun"]) == 4
    fit(tiny_split, tmp_path, short)
    assert_same(undisturbed, tmp_path)


def test_before_the_first_step_nothing_is_written(
    tiny_split: Path, short: Config, tmp_path: Path, terminable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with signalled(monkeypatch, loop.Trainer, "views", 1):
        fit(tiny_split, tmp_path, short)
    assert not (tmp_path / "last.safetensors").exists()


def test_a_checkpoint_with_other_random_states_is_refused(
    tiny_split: Path, short: Config, tmp_path: Path, terminable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    from wav2tok.errors import UserError

    with signalled(monkeypatch, loop.Trainer, "views", 3):
        fit(tiny_split, tmp_path, short)
    last = tmp_path / "last.safetensors"
    with safe_open(last, "pt") as file:
        header = file.metadata()
    tensors = load_file(last) | {"random.dropout": torch.zeros(3, dtype=torch.uint8)}
    save_file(tensors, last, metadata=header)
    with pytest.raises(UserError, match="holds no states of random numbers"):
        fit(tiny_split, tmp_path, short)


def test_a_signal_waits_while_it_is_held_back(terminable: None) -> None:
    held = Interruption()
    with held.watched():
        held.commit()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            held.settled()
        held.settled()  # it was passed on once
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    handler = signal.getsignal(signal.SIGTERM)
    assert getattr(handler, "__self__", None) is not held


def test_a_program_without_a_handler_keeps_its_own_way_to_end() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with Interruption().watched():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
