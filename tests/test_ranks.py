"""Ranks that are real processes: what they gather, and the gradients, are those of one process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from wav2tok.ranks import ALONE, Group

PROGRAM = """
import datetime, os, sys
import torch
import torch.distributed as dist
from wav2tok.ranks import ALONE, Group

folder, size, seeds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)

def results(ranks, seed):
    '''A loss with a part that every rank computes whole and one whose rows are shared out, and its gradients.'''
    draw = torch.Generator().manual_seed(seed)
    rows = int(torch.randint(1, 9, (), generator=draw))
    x = torch.randn(rows, 4, 3, generator=draw, dtype=torch.float64)
    weights = [torch.randn(3, 3, generator=draw, dtype=torch.float64, requires_grad=True) for _ in range(4)]
    encoder, score, skipped, unused = weights
    own = x[ranks.share(rows)] @ encoder
    if ranks.index % 2 == 0:  # as a layer that is skipped at random
        own = own + 0 * skipped.sum()
    z = ranks.gather(own, rows)
    similar = z.mean(1)[ranks.share(rows)] @ z.amax(1).T
    similar = ranks.gather(similar, rows)
    loss = (similar.logsumexp(1) + similar.logsumexp(0)).sum() + (z @ score).square().mean()
    loss.backward()
    ranks.average(weights)
    return [loss.detach(), z.detach(), *(w.grad for w in weights)]

for index in range(size):
    if os.fork() == 0:
        break
else:
    codes = [os.waitpid(-1, 0)[1] for _ in range(size)]
    sys.exit(any(codes))
try:
    store = dist.FileStore(folder + "/store", size)
    dist.init_process_group("gloo", store=store, rank=index, world_size=size, timeout=datetime.timedelta(seconds=60))
    ranks = Group(index, size)
    for seed in range(seeds):
        ours, theirs = results(ranks, seed), results(ALONE, seed)
        assert theirs[-1] is None and ours[-1] is None, "a weight that no rank used"
        for name, a, b in zip(("loss", "rows", "encoder", "score", "skipped"), ours, theirs):
            torch.testing.assert_close(a, b, msg=lambda said: f"seed {seed}, {name}: {said}")
    assert ranks.from_first(lambda: {"rank": index}) == {"rank": 0}
    dist.barrier()
    os._exit(0)
except BaseException as error:
    print(repr(error), file=sys.stderr, flush=True)
    os._exit(1)
"""


def test_ranks_have_the_rows_and_gradients_of_one_process(tmp_path: Path) -> None:
    """With fewer rows than ranks too, and with weights that only some ranks use, or none."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), "3", "25"],
        env=dict(os.environ), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("size", range(1, 7))
@pytest.mark.parametrize("rows", range(1, 9))
def test_shares_cover_all_rows_once(size: int, rows: int) -> None:
    all_rows = list(range(rows))
    most = -(-rows // size)
    shares = [all_rows[Group(index, size).share(rows)] for index in range(size)]
    assert all(0 < len(share) <= most for share in shares)
    counted = [share for index, share in enumerate(shares) if index * most < rows]
    assert [row for share in counted for row in share] == all_rows


def test_alone_nothing_is_copied() -> None:
    x = torch.arange(6.0).reshape(3, 2).requires_grad_()
    assert ALONE.first
    assert ALONE.gather(x, 3) is x
    assert x[ALONE.share(3)].data_ptr() == x.data_ptr()
    assert ALONE.from_first(lambda: x) is x
