"""Join the processes that torchrun started: ``torchrun --nproc-per-node 2 -m wav2tok train``, on one machine or more.

The first rank does what a training in one process does: it holds the lock of the model folder, reads and writes it and
reports. The others have its state from it, take part in steps and E-steps, and write nothing, so their machines need
the recordings and no model folder.
"""

import contextlib
import datetime
import logging
import os
import re
import signal
import threading
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist

from wav2tok.errors import UserError
from wav2tok.progress import log, show_with
from wav2tok.ranks import ALONE, Group, Ranks

PATIENCE = datetime.timedelta(hours=2)
"""How long a rank waits for one that reads recordings or validates. That one has ended is noticed at once."""
LINGER = 10.0
"""Seconds that the other ranks take part after a signal, so that the first one is not stopped in an exchange."""


@contextlib.contextmanager
def joined(device: str) -> Iterator[tuple[Ranks, str]]:
    """The ranks of this training and the device of this one; `ALONE` and ``device`` itself without torchrun.

    If ranks fail, the first that does says why; the others end without a word.

    Args:
        device: as `wav2tok.device.choose` takes it. With ``auto`` and ``cuda`` each rank takes a GPU of its own if the
            machine has as many; only if all ranks have one, tensors are exchanged by NCCL.

    Raises:
        UserError: what torchrun sets is not what it sets, or the ranks do not find each other.
    """
    if not dist.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
        yield ALONE, device
        return
    _require_numbers(os.environ)
    try:
        store, index, size = next(dist.rendezvous("env://", timeout=PATIENCE))
        dist.init_process_group(
            "gloo", store=dist.PrefixStore("wav2tok", store), rank=index, world_size=size, timeout=PATIENCE
        )
    except RuntimeError as error:
        raise UserError(
            f"the processes of this training do not reach each other ({error}); see torchrun's options."
        ) from None
    here, local = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["LOCAL_RANK"])
    own = device in ("auto", "cuda") and torch.cuda.is_available() and torch.cuda.device_count() >= here
    ranks = Group(index, size)
    if own:
        torch.cuda.set_device(local)
        device = f"cuda:{local}"
    if int(ranks.sum(torch.tensor(int(own)))) == size:
        ranks.tensors = dist.new_group(backend="nccl", timeout=PATIENCE)
    signalled = _follow_quietly() if index else []
    try:
        yield ranks, device
    except BaseException:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun sends it to all when one ends; this one is ending
        if _claims(store):
            raise
        raise SystemExit(128 + signalled[0] if signalled else 2) from None
    dist.destroy_process_group()


def _require_numbers(environment: Mapping[str, str]) -> None:
    """Refuse variables of torchrun that hold no such number: torch would wait for `PATIENCE`, or name none of them."""
    most = {"WORLD_SIZE": 1 << 20, "LOCAL_WORLD_SIZE": 1 << 20, "MASTER_PORT": (1 << 16) - 1}
    for name in (*most, "RANK", "LOCAL_RANK"):
        value = environment.get(name, "")
        limit = most.get(name) or int(environment[name.replace("RANK", "WORLD_SIZE")]) - 1
        if re.fullmatch(r"[0-9]{1,9}", value) is None or int(value) > limit:
            raise UserError(
                f"the environment has {name}={value}, where torchrun sets a number up to {limit}; start the training "
                "by torchrun, or unset its variables."
            )


def _claims(store: Any) -> bool:
    """Whether this rank is the one to say why the training ends: the first that asks."""
    try:
        return bool(store.add("wav2tok/ends", 1) == 1)
    except RuntimeError:  # the process that keeps the store is gone
        return True


def _follow_quietly() -> list[int]:
    """Let this rank report nothing but its own failure, and end after the first one; returns the signals it gets."""
    log.setLevel(logging.ERROR)
    show_with(None)
    received: list[int] = []

    def linger(number: int, frame: FrameType | None) -> None:
        if not received:
            timer = threading.Timer(LINGER, os._exit, [128 + number])
            timer.daemon = True
            timer.start()
        received.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, linger)
    return received
