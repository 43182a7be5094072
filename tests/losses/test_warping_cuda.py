"""The alignment's kernel for CUDA, interpreted on the CPU: the partners of torch's operations; and compiled."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tests.kernels import ARCHITECTURES, barriers, interpreted
from wav2tok.losses import alignment, similarity
from wav2tok.losses.alignment import TIE, agrees, align_diagonals, align_fused, mean_along, partners_by_cosine
from wav2tok.losses.similarity import path_similarity
from wav2tok.model.frames import frame_mask

warping = pytest.importorskip("wav2tok.losses.warping_cuda", reason="this torch comes without Triton")
CPU = torch.device("cpu")
walk = warping.walk


@pytest.fixture(scope="module", autouse=True)
def on_the_cpu() -> Iterator[None]:
    """So small tables that even a few pairs take several launches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warping, "walk", interpreted(walk))
        patch.setattr(warping, "SCRATCH", 8 * 25 * 16 * 5)
        yield


LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=3)


@given(a=LENGTHS, b=LENGTHS, levels=st.sampled_from([1, 64]), padding=st.integers(0, 2), seed=st.integers(0, 999))
@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_partners_and_similarities(a: list[int], b: list[int], levels: int, padding: int, seed: int) -> None:
    """Of each recording with each other one; few levels make many paths equally cheap."""
    generator = torch.Generator().manual_seed(seed)
    n, m = torch.tensor(a), torch.tensor(b)
    shape = len(a), max(a) + padding, len(b), max(b)
    cosine = torch.randint(-levels, levels + 1, shape, generator=generator) / levels
    of_a, of_b, value = align_fused(cosine, n[:, None], m[None, :])
    assert (of_a.dtype, of_b.dtype, value.shape) == (torch.int32, torch.int32, (len(a), len(b)))

    each, lengths = cosine.transpose(1, 2).flatten(0, 1), (n.repeat_interleave(len(b)), m.repeat(len(a)))
    expected = align_diagonals(1 - each, *lengths)
    got = of_a.transpose(1, 2).flatten(0, 1), of_b.flatten(0, 1)
    for x, y, count in zip(got, expected, lengths, strict=True):
        mask = frame_mask(count, x.shape[1])
        assert torch.equal(x[mask].long(), y[mask])
    torch.testing.assert_close(value.flatten(), mean_along(each, *expected, *lengths))


def test_it_is_what_a_device_computes(monkeypatch: pytest.MonkeyPatch, generator: torch.Generator) -> None:
    """Chosen as on CUDA, in parts: the values and gradients of the compiled kernels of the CPU; and pairs by pairs."""
    n, m = torch.tensor([7, 1, 12]), torch.tensor([3, 12, 5, 1])
    a, b = (F.normalize(torch.randn(len(k), 12, 8, generator=generator), dim=2) for k in (n, m))
    pairs = torch.randn(3, 9, 11, generator=generator).tanh(), torch.tensor([9, 2, 5]), torch.tensor([4, 11, 1])
    weight = torch.randn(3, 4, generator=generator)
    results = []
    for chosen in (False, True):
        if chosen:
            monkeypatch.setattr(similarity, "compiled", lambda device: False)
            monkeypatch.setattr(similarity, "FUSED_CELLS", 24 * 48)
            monkeypatch.setattr(similarity, "fused", lambda *_: True)
            monkeypatch.setattr(alignment, "fused", lambda *_: True)
            monkeypatch.setattr(alignment, "compiled", lambda device: False)
        x, y = (z.clone().requires_grad_() for z in (a, b))
        value = path_similarity(x, n, y, m)
        value.backward(weight)
        results.append((value.detach(), x.grad, y.grad))
        partners = partners_by_cosine(*pairs)
        valid = [frame_mask(count, one.shape[1]) for one, count in zip(partners, pairs[1:], strict=True)]
        results.append(tuple(one.masked_fill(~mask, 0) for one, mask in zip(partners, valid, strict=True)))
    for got, expected in zip(results[:2], results[2:], strict=True):
        for ours, theirs in zip(got, expected, strict=True):
            torch.testing.assert_close(ours, theirs)


def test_the_check_before_the_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert agrees(CPU)
    right = warping.walk_all

    def wrong(cosine, a_lengths, b_lengths, tie, of_a, of_b, value):  # type: ignore[no-untyped-def]
        right(cosine, a_lengths, b_lengths, tie, of_a, of_b, value)
        of_b[2, 3, 5] += 1

    monkeypatch.setattr(warping, "walk_all", wrong)
    assert not agrees(CPU)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("rows", "warps"), [(64, 2), (2048, 16)])
def test_it_compiles(architecture: int, rows: int, warps: int) -> None:
    """Each walk has a barrier between its steps, and there is one between the walks."""
    names = dict.fromkeys(walk.arg_names, "i32") | {
        "cosine": "*fp32", "first_stride": "i64", "a_lengths": "*i64", "b_lengths": "*i64", "table": "*fp64",
        "of_a": "*i32", "of_b": "*i32", "similarity": "*fp32", "TIE": "constexpr", "ROWS": "constexpr",
    }  # fmt: skip
    assert barriers(walk, names, {"TIE": TIE, "ROWS": rows}, architecture, warps) >= 3
