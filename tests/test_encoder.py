"""The BiLSTM against torch's own over packed sequences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from wav2tok.config import Encoder
from wav2tok.encoder import BiLSTM, RecurrentEncoder, reverse
from wav2tok.features import frame_mask


def reference(ours: BiLSTM, width: int, hidden: int, layers: int) -> nn.LSTM:
    """torch's bidirectional LSTM with the weights of ``ours``."""
    theirs = nn.LSTM(width, hidden, layers, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for layer in range(layers):
            for one, suffix in ((ours.forwards[layer], ""), (ours.backwards[layer], "_reverse")):
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    getattr(theirs, f"{name}_l{layer}{suffix}").copy_(getattr(one, f"{name}_l0"))
    return theirs.eval()


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_bilstm_is_torchs_over_packed_sequences(layers: int) -> None:
    torch.manual_seed(layers)
    lengths = torch.tensor([17, 1, 9, 25, 2])
    x = torch.randn(5, 25, 7)
    ours = BiLSTM(7, 6, layers, dropout=0.5).eval()
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(reference(ours, 7, 6, layers)(packed)[0], batch_first=True)
    mask = frame_mask(lengths, 25)
    assert torch.allclose(ours(x, lengths)[mask], expected[mask], atol=1e-6)


def test_dropout_acts_between_layers_in_training_alone() -> None:
    torch.manual_seed(0)
    x, lengths = torch.randn(2, 10, 7), torch.tensor([10, 6])
    one, two = BiLSTM(7, 6, 1, dropout=0.5).train(), BiLSTM(7, 6, 2, dropout=0.5).train()
    assert torch.equal(one(x, lengths), one(x, lengths))
    assert not torch.equal(two(x, lengths), two(x, lengths))
    two.eval()
    assert torch.equal(two(x, lengths), two(x, lengths))


def test_embeddings_have_unit_length_and_every_weight_gets_a_gradient() -> None:
    torch.manual_seed(0)
    encoder = RecurrentEncoder(Encoder(hidden=6, layers=2, dim=5), 7)
    z = encoder(torch.randn(3, 11, 7), torch.tensor([11, 4, 8]))
    assert z.shape == (3, 11, 5)
    assert torch.allclose(z.norm(dim=2), torch.ones(3, 11), atol=1e-5)
    (z * torch.randn(3, 11, 5)).sum().backward()
    for name, weight in encoder.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


def test_the_embedding_of_a_frame_depends_on_no_padding() -> None:
    torch.manual_seed(0)
    encoder = RecurrentEncoder(Encoder(hidden=6, dim=5), 7).eval()
    x, lengths = torch.randn(2, 12, 7), torch.tensor([12, 5])
    changed = x.clone()
    changed[1, 5:] = 100.0
    assert torch.equal(encoder(x, lengths)[1, :5], encoder(changed, lengths)[1, :5])
    assert torch.allclose(encoder(x, lengths)[1, :5], encoder(x[1:, :5], lengths[1:])[0], atol=1e-6)


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_reverse_turns_each_recording_within_its_length(lengths: list[int]) -> None:
    x = torch.arange(len(lengths) * max(lengths) * 2.0).reshape(len(lengths), max(lengths), 2)
    n = torch.tensor(lengths)
    turned = reverse(x, n)
    for row, original, length in zip(turned, x, lengths, strict=True):
        assert torch.equal(row[:length], original[:length].flip(0))
    assert torch.equal(reverse(turned, n)[frame_mask(n, x.shape[1])], x[frame_mask(n, x.shape[1])])
