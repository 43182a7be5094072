"""The linear encoder: context, and the geometry of its features at the start."""

import pytest
import torch
from torch.nn import functional as F

from wav2tok.config.schema import Encoder
from wav2tok.errors import UserError
from wav2tok.model.linear import LinearEncoder


def linear(width: int, context: int = 0, step: int = 1) -> LinearEncoder:
    dim = width * (2 * context + 1)
    return LinearEncoder(Encoder(kind="linear", dim=dim, stack=1, context=context, context_step=step), width)


def test_at_the_start_cosines_are_those_of_the_features() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 9, 5)
    assert torch.allclose(linear(5)(x, torch.tensor([9, 9])), F.normalize(x, dim=2), atol=1e-6)


def test_the_context_is_frames_before_and_after_and_zero_beyond_the_ends() -> None:
    """The frame, and those two before and two after it, in the order of time; frame t is the number t + 1."""
    x = torch.arange(1.0, 6.0)[None, :, None]
    z = linear(1, context=1, step=2)(x, torch.tensor([5]))[0]
    expected = torch.tensor([[0.0, 1, 3], [0, 2, 4], [1, 3, 5], [2, 4, 0], [3, 5, 0]])
    assert torch.allclose(z, F.normalize(expected, dim=1), atol=1e-6)


def test_another_dimension_is_refused_by_the_number_that_fits() -> None:
    with pytest.raises(UserError, match="set it to 15"):
        LinearEncoder(Encoder(kind="linear", dim=128, stack=1, context=1), 5)


def test_without_room_for_the_context_the_start_is_the_frame_itself() -> None:
    torch.manual_seed(0)
    x, lengths = torch.randn(2, 9, 5), torch.tensor([9, 7])
    encoder = LinearEncoder(Encoder(kind="linear", dim=5, stack=1, context=2), 5)
    assert encoder.weight.shape == (5, 25)
    assert torch.allclose(encoder(x, lengths), linear(5)(x, lengths), atol=1e-6)
