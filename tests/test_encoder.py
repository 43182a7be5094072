"""The BiLSTM against torch's own over packed sequences."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from wav2tok.config import Encoder
from wav2tok.encoder import BiLSTM, Dropout, RecurrentEncoder
from wav2tok.features import frame_mask, take_rows
from wav2tok.layout import Layout, fitted, padded

Arrange = Callable[[torch.Tensor, int], Layout]


def reference(ours: BiLSTM, width: int, hidden: int, layers: int) -> nn.LSTM:
    """torch's bidirectional LSTM with the weights of ``ours``."""
    theirs = nn.LSTM(width, hidden, layers, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for layer in range(layers):
            for one, suffix in ((ours.forwards[layer], ""), (ours.backwards[layer], "_reverse")):
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    getattr(theirs, f"{name}_l{layer}{suffix}").copy_(getattr(one, f"{name}_l0"))
    return theirs.eval()


def over_batch(lstm: BiLSTM, x: torch.Tensor, lengths: torch.Tensor, arrange: Arrange = fitted) -> torch.Tensor:
    """``lstm`` over a padded batch: x [B, T, width], lengths [B] -> [B, T, 2 * hidden]."""
    plan = arrange(lengths, x.shape[1])
    return take_rows(lstm(x.flatten(0, 1)[plan.into], plan), plan.out)


@pytest.mark.parametrize("arrange", [fitted, padded])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_bilstm_is_torchs_over_packed_sequences(layers: int, arrange: Arrange) -> None:
    torch.manual_seed(layers)
    lengths = torch.tensor([17, 1, 9, 25, 2])
    x = torch.randn(5, 25, 7)
    ours = BiLSTM(7, 6, layers, dropout=0.5).eval()
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(reference(ours, 7, 6, layers)(packed)[0], batch_first=True)
    mask = frame_mask(lengths, 25)
    assert torch.allclose(over_batch(ours, x, lengths, arrange)[mask], expected[mask], atol=1e-6)


def test_dropout_acts_between_layers_in_training_alone() -> None:
    torch.manual_seed(0)
    x, lengths = torch.randn(2, 10, 7), torch.tensor([10, 6])
    one, two = BiLSTM(7, 6, 1, dropout=0.5).train(), BiLSTM(7, 6, 2, dropout=0.5).train()
    assert torch.equal(over_batch(one, x, lengths), over_batch(one, x, lengths))
    assert not torch.equal(over_batch(two, x, lengths), over_batch(two, x, lengths))
    two.eval()
    assert torch.equal(over_batch(two, x, lengths), over_batch(two, x, lengths))


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(1001, 997)
    y = Dropout(p).train()(x)
    assert abs(float((y == 0).float().mean()) - p) < 0.004  # p to the nearest 1/256, and the draw
    assert abs(float(y.mean()) - 1) < 0.002
    # Neighbours come from one draw and must still be independent of one another.
    zero = (y == 0).double()
    assert abs(float((zero[:, 1:] * zero[:, :-1]).mean() - zero.mean() ** 2)) < 0.002
    assert torch.equal(Dropout(p).eval()(x), x)
    assert torch.equal(Dropout(0.0).train()(x), x)


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
