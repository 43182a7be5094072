"""The BiLSTM against torch's own over packed sequences."""

import math
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


def encoder_of(stack: int) -> RecurrentEncoder:
    torch.manual_seed(0)
    return RecurrentEncoder(Encoder(hidden=6, layers=2, dim=5, stack=stack), 7)


def features(*lengths: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random features [B, T, 7] as a front end gives them, zero past each recording's end; and their lengths."""
    n = torch.tensor(lengths)
    x = torch.randn(len(lengths), max(lengths), 7)
    return x * frame_mask(n, x.shape[1])[:, :, None], n


@pytest.mark.parametrize("stack", [1, 2, 3])
def test_embeddings_have_unit_length_and_every_weight_gets_a_gradient(stack: int) -> None:
    encoder = encoder_of(stack)
    z = encoder(*features(11, 4, 8))
    steps = math.ceil(11 / stack)
    assert z.shape == (3, steps, 5)
    assert torch.allclose(z.norm(dim=2), torch.ones(3, steps), atol=1e-5)
    (z * torch.randn(3, steps, 5)).sum().backward()
    for name, weight in encoder.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


@pytest.mark.parametrize("stack", [1, 2, 3, 4])
def test_each_recording_of_a_batch_is_embedded_as_alone(stack: int) -> None:
    """Of odd and even lengths, up to the last step, which padding completes."""
    encoder = encoder_of(stack).eval()
    x, lengths = features(12, 5, 1, 6, 11, 2)
    z, steps = encoder(x, lengths), encoder.steps(lengths)
    assert steps.tolist() == [math.ceil(n / stack) for n in lengths.tolist()]
    for row, one, n, count in zip(z, x, lengths.tolist(), steps.tolist(), strict=True):
        alone = encoder(one[None, :n], torch.tensor([n]))
        assert alone.shape[1] == count
        assert torch.allclose(row[:count], alone[0], atol=1e-6)


@pytest.mark.parametrize("stack", [1, 2, 3])
def test_the_embedding_of_a_step_depends_on_no_other_padding(stack: int) -> None:
    encoder = encoder_of(stack).eval()
    x, lengths = features(12, 5)
    steps = math.ceil(5 / stack)
    changed = x.clone()
    changed[1, steps * stack :] = 100.0
    assert torch.equal(encoder(x, lengths)[1, :steps], encoder(changed, lengths)[1, :steps])


@pytest.mark.parametrize("n", [1, 2, 7, 8])
@pytest.mark.parametrize("stack", [2, 3])
def test_a_step_is_made_of_neighbouring_frames(stack: int, n: int) -> None:
    """An encoder of single frames, given frames side by side, is what a stack is."""
    encoder, plain = encoder_of(stack).eval(), RecurrentEncoder(Encoder(hidden=6, layers=2, dim=5, stack=1), 7 * stack)
    plain.load_state_dict(encoder.state_dict())
    x, lengths = features(n)
    steps = math.ceil(n / stack)
    wide = torch.zeros(1, steps, 7 * stack)
    for frame in range(n):
        place = frame % stack * 7
        wide[0, frame // stack, place : place + 7] = x[0, frame]
    assert torch.allclose(encoder(x, lengths), plain.eval()(wide, torch.tensor([steps])), atol=1e-6)
