"""The BiLSTM against torch's own over packed sequences, and what every encoder promises."""

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from wav2tok.config.schema import Config, Encoder, Features
from wav2tok.errors import UserError
from wav2tok.model.encoder import Dropout, FrameEncoder
from wav2tok.model.frames import frame_mask, take_rows
from wav2tok.model.layout import Layout, fitted, padded
from wav2tok.model.linear import LinearEncoder
from wav2tok.model.lstm import BiLSTM, RecurrentEncoder
from wav2tok.model.products import rounded
from wav2tok.model.sru import SRUEncoder
from wav2tok.model.transformer import TransformerEncoder
from wav2tok.model.wav2tok import create, create_encoder

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


KINDS = {
    "lstm": RecurrentEncoder,
    "sru": SRUEncoder,
    "transformer": TransformerEncoder,
    "linear": LinearEncoder,
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def encoder_of(kind: str, stack: int, width: int = 7) -> FrameEncoder:
    torch.manual_seed(0)
    transformer = {"heads": 2, "ffn": 10, "layerdrop": 0.0, "position_kernel": 4, "position_groups": 3}
    linear = {"dim": 3 * stack * width, "context": 1, "context_step": 2} if kind == "linear" else {"dim": 5}
    return KINDS[kind](Encoder(kind=kind, hidden=6, layers=2, stack=stack, **linear, **transformer), width)


def features(*lengths: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random features [B, T, 7] as a front end gives them, zero past each recording's end; and their lengths."""
    n = torch.tensor(lengths)
    x = torch.randn(len(lengths), max(lengths), 7)
    return x * frame_mask(n, x.shape[1])[:, :, None], n


@every_kind
@pytest.mark.parametrize("stack", [1, 2, 3])
def test_embeddings_have_unit_length_and_every_weight_gets_a_gradient(kind: str, stack: int) -> None:
    encoder = encoder_of(kind, stack)
    z = encoder(*features(11, 4, 8))
    steps = math.ceil(11 / stack)
    assert z.shape[:2] == (3, steps)
    assert torch.allclose(z.norm(dim=2), torch.ones(3, steps), atol=1e-5)
    (z * torch.randn(z.shape)).sum().backward()
    for name, weight in encoder.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


@every_kind
def test_products_in_bfloat16_change_embeddings_by_their_rounding(kind: str) -> None:
    encoder = encoder_of(kind, 1).eval()
    x, lengths = features(11, 4, 8)
    exact = encoder(x, lengths)
    with rounded(x.device, "bfloat16"):
        z = encoder(x, lengths)
    (z * torch.randn(z.shape)).sum().backward()
    assert z.dtype == torch.float32
    assert torch.allclose(z.norm(dim=2), torch.ones(z.shape[:2]), atol=1e-5)
    assert 1e-5 < (z - exact).abs().max() < 0.1
    assert all(weight.grad is not None and weight.grad.dtype == torch.float32 for weight in encoder.parameters())
    with rounded(x.device, "float32"):
        assert torch.equal(encoder(x, lengths), exact)


@every_kind
@pytest.mark.parametrize("stack", [1, 2, 3, 4])
def test_each_recording_of_a_batch_is_embedded_as_alone(kind: str, stack: int) -> None:
    """Of odd and even lengths, up to the last step, which padding completes."""
    encoder = encoder_of(kind, stack).eval()
    x, lengths = features(12, 5, 1, 6, 11, 2)
    z, steps = encoder(x, lengths), encoder.steps(lengths)
    assert steps.tolist() == [math.ceil(n / stack) for n in lengths.tolist()]
    for row, one, n, count in zip(z, x, lengths.tolist(), steps.tolist(), strict=True):
        alone = encoder(one[None, :n], torch.tensor([n]))
        assert alone.shape[1] == count
        assert torch.allclose(row[:count], alone[0], atol=1e-6)


@every_kind
@pytest.mark.parametrize("stack", [1, 2, 3])
def test_the_embedding_of_a_step_depends_on_no_other_padding(kind: str, stack: int) -> None:
    encoder = encoder_of(kind, stack).eval()
    x, lengths = features(12, 5)
    steps = math.ceil(5 / stack)
    changed = x.clone()
    changed[1, steps * stack :] = 100.0
    assert torch.equal(encoder(x, lengths)[1, :steps], encoder(changed, lengths)[1, :steps])


@every_kind
@pytest.mark.parametrize("n", [1, 2, 7, 8])
@pytest.mark.parametrize("stack", [2, 3])
def test_a_step_is_made_of_neighbouring_frames(kind: str, stack: int, n: int) -> None:
    """An encoder of single frames, given frames side by side, is what a stack is."""
    encoder, plain = encoder_of(kind, stack).eval(), encoder_of(kind, 1, 7 * stack)
    plain.load_state_dict(encoder.state_dict())
    x, lengths = features(n)
    steps = math.ceil(n / stack)
    wide = torch.zeros(1, steps, 7 * stack)
    for frame in range(n):
        place = frame % stack * 7
        wide[0, frame // stack, place : place + 7] = x[0, frame]
    assert torch.allclose(encoder(x, lengths), plain.eval()(wide, torch.tensor([steps])), atol=1e-6)


@every_kind
@pytest.mark.parametrize("stack", [1, 3])
def test_past_the_end_stands_some_step_of_the_same_recording(kind: str, stack: int) -> None:
    encoder = encoder_of(kind, stack).eval()
    x, lengths = features(13, 1, 5, 9)
    for row, count in zip(encoder(x, lengths), encoder.steps(lengths).tolist(), strict=True):
        assert all((row[:count] == late).all(dim=1).any() for late in row[count:])


@every_kind
def test_the_configuration_names_the_encoder(kind: str) -> None:
    encoder = create_encoder(Config(encoder=Encoder(kind=kind, dim=39, stack=1)), 39)
    assert type(encoder) is KINDS[kind]


@every_kind
@pytest.mark.parametrize(("features", "width"), [("mfcc", 39), ("stft", 513), ("logmel", 192)])
def test_a_stated_input_width_must_be_the_features(kind: str, features: str, width: int) -> None:
    config = Config(features=Features(kind=features), encoder=Encoder(kind=kind, hidden=8, dim=2 * width))
    for good in (None, width):
        create(dataclasses.replace(config, encoder=dataclasses.replace(config.encoder, input_dim=good)))
    for bad in (1, 2 * width, 40):
        stated = dataclasses.replace(config, encoder=dataclasses.replace(config.encoder, input_dim=bad))
        with pytest.raises(UserError) as error:
            create(stated)
        said = str(error.value)
        assert f"encoder.input_dim is {bad}," in said
        assert f"{features} features as configured have {width} " in said
        assert "leave encoder.input_dim null" in said
