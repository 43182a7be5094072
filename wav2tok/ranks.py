"""Several processes that train one model, each a rank: what they compute apart and what they exchange.

Each rank draws the batch that a training in one process would draw, computes its share of the rows and receives the
others, so the number of ranks changes a result by rounding only. The rule for gradients is that of torch's
DistributedDataParallel: every rank computes the whole loss from gathered rows, a gather sums over the ranks on its way
back, and the gradients of weights are averaged.

`ALONE` is the one rank of an ordinary training; its methods return what they are given. `wav2tok.training.distributed`
makes the others.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import pad

from wav2tok.errors import UserError, reason
from wav2tok.progress import log

Value = TypeVar("Value")


class LostRankError(UserError):
    """Another process of the training has ended."""


class Ranks:
    """The ranks of a training, seen from one of them.

    Attributes:
        size: how many there are.
        index: the number of this one, from 0.
    """

    def __init__(self, index: int = 0, size: int = 1) -> None:
        self.index, self.size = index, size

    @property
    def first(self) -> bool:
        """Whether this rank is the one that reads and writes the model folder, and reports."""
        return self.index == 0

    def share(self, rows: int) -> slice:
        """Which of ``rows`` rows this rank computes; never none, because few modules take an empty batch."""
        return slice(0, rows)

    def gather(self, own: Tensor, rows: int) -> Tensor:
        """The `share` of every rank [own rows, ...] -> all of them in order [rows, ...], with gradients."""
        return own

    def average(self, weights: Iterable[Tensor]) -> None:
        """Replace the gradients of ``weights`` by their mean over the ranks; one that no rank has stays None."""

    def from_first(self, make: Callable[[], Value]) -> Value:
        """What ``make`` returns on the first rank, where alone it is called."""
        return make()


ALONE = Ranks()


class Group(Ranks):
    """The ranks of torch's default process group, which is of gloo and carries values.

    Attributes:
        tensors: the group that tensors go through on their device; None where they go through the CPU.
    """

    def __init__(self, index: int, size: int, tensors: Any = None) -> None:
        super().__init__(index, size)
        self.tensors = tensors

    def share(self, rows: int) -> slice:
        most = -(-rows // self.size)
        # With more ranks than rows the last ranks repeat the last row, which `gather` drops.
        begin = min(self.index * most, rows - 1)
        return slice(begin, min(begin + most, rows))

    def gather(self, own: Tensor, rows: int) -> Tensor:
        gathered: Tensor = _Gather.apply(own, self, rows)
        return gathered

    def average(self, weights: Iterable[Tensor]) -> None:
        every = list(weights)
        # One message: the gradients, and which weights have one. A layer that was skipped has none.
        gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in every]
        there = torch.tensor([float(one.grad is not None) for one in every])
        flat = torch.cat([*(one.flatten() for one in gradients), there.to(gradients[0])])
        *means, there = (self.sum(flat) / self.size).split([*(one.numel() for one in every), len(every)])
        for one, mean, used in zip(every, means, (there > 0).tolist(), strict=True):
            one.grad = mean.reshape(one.shape) if used else None

    def from_first(self, make: Callable[[], Value]) -> Value:
        box: list[Any] = [make() if self.first else None]
        with _reaching():
            dist.broadcast_object_list(box, src=0)
        made: Value = box[0]
        return made

    def sum(self, x: Tensor) -> Tensor:
        """The sum of ``x`` over the ranks, bit by bit the same on each."""
        sent = self._sent(x)
        with _reaching():
            dist.all_reduce(sent, group=self.tensors)
        return sent.to(x.device)

    def each(self, x: Tensor) -> list[Tensor]:
        """``x`` of every rank; all have one shape."""
        sent = self._sent(x)
        received = [torch.empty_like(sent) for _ in range(self.size)]
        with _reaching():
            dist.all_gather(received, sent, group=self.tensors)
        return [one.to(x.device) for one in received]

    def _sent(self, x: Tensor) -> Tensor:
        """A copy of ``x`` where the group takes it from."""
        return x.detach().to("cpu" if self.tensors is None else x.device, copy=True).contiguous()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, ranks: Group, rows: int) -> Tensor:
        most = -(-rows // ranks.size)
        begin = ranks.index * most
        # None of the own rows count where `share` repeats the last row.
        ctx.ranks, ctx.counted, ctx.repeated = ranks, slice(begin, begin + len(own)), begin >= rows
        return torch.cat(ranks.each(_padded(own, most)))[:rows]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        summed = ctx.ranks.sum(gradient)
        own = torch.zeros_like(summed[:1]) if ctx.repeated else summed[ctx.counted]
        return own, None, None


def _padded(x: Tensor, rows: int) -> Tensor:
    """``x`` [n, ...] with zeros after its rows: [rows, ...]."""
    return pad(x, [0, 0] * (x.dim() - 1) + [0, rows - len(x)])


@contextlib.contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        log.debug(f"torch.distributed: {reason(error)}")
        raise LostRankError(
            "another process of this training has ended; what was done is kept, and the same command resumes."
        ) from None
