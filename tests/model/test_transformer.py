"""The transformer against torch's own layers and a convolution written out, its masks, and what its numbers change."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from tests.codewords import spread_codebook
from wav2tok.config.schema import Config, Encoder
from wav2tok.errors import UserError
from wav2tok.model.encoder import Dropout
from wav2tok.model.frames import frame_mask
from wav2tok.model.transformer import Layer, TransformerEncoder
from wav2tok.model.wav2tok import create
from wav2tok.release.export import PARITY, write_onnx
from wav2tok.tokenizer.tokenizer import Tokenizer

SMALL = Encoder(
    kind="transformer",
    hidden=6,
    layers=2,
    dropout=0.0,
    dim=5,
    stack=1,
    heads=2,
    ffn=10,
    layerdrop=0.0,
    position_kernel=4,
    position_groups=3,
)
WIDTH = 7


def encoder_of(seed: int = 0, **changes: Any) -> TransformerEncoder:
    """A small one in float64, its weights drawn wider than training begins with: all that it computes shows."""
    torch.manual_seed(seed)
    encoder = TransformerEncoder(dataclasses.replace(SMALL, **changes), WIDTH).double()
    with torch.no_grad():
        for weight in encoder.parameters():
            weight += 0.3 * torch.randn_like(weight)
    return encoder


def features(*lengths: int, steps: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random features [B, T, 7] as a front end gives them, zero past each recording's end; and their lengths."""
    n = torch.tensor(lengths)
    x = torch.randn(len(lengths), max(steps, *lengths), WIDTH, dtype=torch.float64)
    return x * frame_mask(n, x.shape[1])[:, :, None], n


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + torch.erf(torch.from_numpy(x) / 2**0.5).numpy())


def convolved(x: np.ndarray, state: dict[str, np.ndarray], groups: int) -> np.ndarray:
    """The positional convolution, step by step: [T, D] -> [T, D]."""
    gain = state["positions.convolution.parametrizations.weight.original0"]
    direction = state["positions.convolution.parametrizations.weight.original1"]  # [D, D / groups, kernel]
    width, inputs, kernel = direction.shape
    y = np.tile(state["positions.convolution.bias"], (len(x), 1))
    for t in range(len(x)):
        for k in range(kernel):
            at = t + k - kernel // 2
            if 0 <= at < len(x):
                weight = gain[0, 0, k] * direction[:, :, k] / np.sqrt((direction[:, :, k] ** 2).sum())
                for out in range(width):
                    first = out // (width // groups) * inputs
                    y[t, out] += weight[out] @ x[at, first : first + inputs]
    return y


def torchs_layer(layer: Layer, width: int, config: Encoder) -> nn.TransformerEncoderLayer:
    """torch's post-norm layer with the weights of ``layer``."""
    theirs = nn.TransformerEncoderLayer(
        width, config.heads, config.ffn, 0.0, "gelu", batch_first=True, norm_first=False, dtype=torch.float64
    )
    parts = {
        "self_attn.in_proj_": layer.attention.inputs,
        "self_attn.out_proj.": layer.attention.output,
        "linear1.": layer.feed[0],
        "linear2.": layer.feed[2],
        "norm1.": layer.attention_norm,
        "norm2.": layer.feed_norm,
    }
    theirs.load_state_dict({f"{name}{k}": v for name, part in parts.items() for k, v in part.state_dict().items()})
    return theirs.train()  # without dropout; in eval mode it takes another way through its code


def reference(encoder: TransformerEncoder, config: Encoder, x: torch.Tensor) -> torch.Tensor:
    """The whole encoder on one recording, x [T, 7] -> [T, dim]."""
    state = {name: value.numpy() for name, value in encoder.state_dict().items()}
    y = x.numpy() @ state["input.weight"].T + state["input.bias"]
    y = y + gelu(convolved(y, state, config.position_groups))
    y = (y - y.mean(1, keepdims=True)) / np.sqrt(y.var(1, keepdims=True) + 1e-5)
    z = torch.from_numpy(y * state["norm.weight"] + state["norm.bias"])[None]
    with torch.no_grad():
        for layer in encoder.layers:
            z = torchs_layer(layer, 2 * config.hidden, config)(z)
    y = z[0].numpy()
    y = y / np.linalg.norm(y, axis=1, keepdims=True) @ state["projection.weight"].T + state["projection.bias"]
    return torch.from_numpy(y / np.linalg.norm(y, axis=1, keepdims=True))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"heads": 1},
        {"heads": 4, "layers": 3},
        {"position_kernel": 5},
        {"position_kernel": 1, "position_groups": 12},
        {"position_kernel": 32, "position_groups": 1},
        {"ffn": 3, "layers": 1},
    ],
)
@pytest.mark.parametrize("steps", [1, 9])
def test_it_is_the_published_network(changes: dict[str, int], steps: int) -> None:
    encoder = encoder_of(**changes)
    x, lengths = features(steps)
    expected = reference(encoder, dataclasses.replace(SMALL, **changes), x[0])
    for mode in (encoder.train(), encoder.eval()):
        assert torch.allclose(mode(x, lengths)[0], expected, atol=1e-10, rtol=0)


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 15), min_size=1, max_size=4),
    more=st.integers(0, 9),
    stack=st.integers(1, 3),
    kernel=st.integers(1, 9),
    training=st.booleans(),
)
def test_padding_and_company_change_no_embedding(
    lengths: list[int], more: int, stack: int, kernel: int, training: bool
) -> None:
    encoder = encoder_of(stack=stack, position_kernel=kernel).train(training)
    x, n = features(*lengths, steps=max(lengths) + more)
    z, steps = encoder(x, n), encoder.steps(n)
    assert z.shape == (len(lengths), -(-x.shape[1] // stack), 5)
    assert torch.allclose(z.norm(dim=2), torch.ones_like(z[:, :, 0]))
    for row, one, length, count in zip(z, x, n.tolist(), steps.tolist(), strict=True):
        alone = encoder(one[None, :length], torch.tensor([length]))
        assert torch.allclose(row[:count], alone[0], atol=1e-10, rtol=0)
        assert torch.equal(row[count:], row[count - 1].expand(len(row) - count, -1))  # the last one is repeated


@pytest.mark.parametrize("training", [True, False])
def test_no_gradient_reaches_padding_or_another_recording(training: bool) -> None:
    encoder = encoder_of(position_kernel=8).train(training)
    x, lengths = features(6, 11, 2, steps=14)
    x.requires_grad_()
    z = encoder(x, lengths)
    (z[0, :6] * torch.randn(6, 5)).sum().backward()
    assert x.grad is not None
    assert (x.grad[0, :6].abs().sum(dim=1) > 0).all()
    assert not x.grad[0, 6:].any()
    assert not x.grad[1:].any()


def test_every_step_hears_the_whole_recording() -> None:
    """Attention reaches farther than the convolution."""
    encoder = encoder_of(position_kernel=3, layers=1).eval()
    x, lengths = features(30)
    changed = x.clone()
    changed[0, -1] += 1.0
    assert ((encoder(x, lengths) - encoder(changed, lengths)).abs().amax(dim=2) > 1e-9).all()


def test_a_layer_that_is_left_out_changes_nothing() -> None:
    encoder, none, x = encoder_of(layerdrop=1.0), encoder_of(), features(9, 4)
    none.layers = torch.nn.ModuleList()
    none.load_state_dict({k: v for k, v in encoder.state_dict().items() if not k.startswith("layers.")})
    assert torch.equal(encoder.train()(*x), none(*x))
    assert not torch.allclose(encoder.eval()(*x), none(*x), atol=1e-3)


def test_layers_are_left_out_in_training_alone_with_their_probability() -> None:
    encoder = encoder_of(layerdrop=0.25, layers=4)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    assert encoder.eval().kept() == list(encoder.layers)
    assert torch.equal(before, torch.random.get_rng_state())
    draws = [encoder.train().kept() for _ in range(1000)]
    for layer in encoder.layers:  # each by itself
        assert abs(sum(layer in kept for kept in draws) / 1000 - 0.75) < 0.05
    assert {len(kept) for kept in draws} == {0, 1, 2, 3, 4}
    assert all(kept == [layer for layer in encoder.layers if layer in kept] for kept in draws)


@pytest.mark.parametrize("changes", [{"layerdrop": 0.5}, {"dropout": 0.3}])
def test_a_seed_repeats_a_training_pass(changes: dict[str, float]) -> None:
    encoder, x = encoder_of(layers=4, **changes).train(), features(9, 4)

    def passes(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.stack([encoder(*x) for _ in range(4)])

    assert torch.equal(passes(1), passes(1))
    assert not torch.allclose(passes(1), passes(2))
    assert not torch.allclose(passes(1)[0], passes(1)[1])


def test_dropout_acts_in_training_alone() -> None:
    encoder, x = encoder_of(dropout=0.5), features(9, 4)
    without = encoder_of()
    without.load_state_dict(encoder.state_dict())
    assert torch.equal(encoder.eval()(*x), without.train()(*x))
    inputs: list[torch.Tensor] = []
    encoder.train().layers[0].register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    assert not torch.allclose(encoder(*x), encoder(*x))
    assert 0.3 < float((inputs[0] == 0).double().mean()) < 0.7  # the first layer's input
    for module in encoder.modules():
        if isinstance(module, Dropout):
            module.dropped = 0
    assert not torch.allclose(encoder(*x), encoder(*x))  # of attention weights


def test_the_configuration_gives_the_shapes() -> None:
    shapes = {k: tuple(v.shape) for k, v in encoder_of(stack=3, position_kernel=9, ffn=11).state_dict().items()}
    assert shapes["input.weight"] == (12, 21)
    assert shapes["positions.convolution.parametrizations.weight.original0"] == (1, 1, 9)
    assert shapes["positions.convolution.parametrizations.weight.original1"] == (12, 4, 9)
    assert shapes["layers.1.attention.inputs.weight"] == (36, 12)
    assert (shapes["layers.0.feed.0.weight"], shapes["layers.0.feed.2.weight"]) == ((11, 12), (12, 11))
    assert shapes["projection.weight"] == (5, 12)
    assert encoder_of(position_groups=2).positions.convolution.weight.shape == (12, 6, 4)
    assert [len(encoder_of(layers=n).layers) for n in (1, 5)] == [1, 5]


def test_heads_change_the_output_of_the_same_weights() -> None:
    one, two, x = encoder_of(heads=1), encoder_of(heads=2), features(9)
    two.load_state_dict(one.state_dict())
    assert not torch.allclose(one(*x), two(*x), atol=1e-3)


def test_only_the_convolution_knows_the_order() -> None:
    encoder = encoder_of().eval()
    x, lengths = features(9)
    turned, order = x.flip(1), encoder(x, lengths).flip(1)
    assert not torch.allclose(encoder(turned, lengths), order, atol=1e-3)
    with torch.no_grad():
        encoder.positions.convolution.parametrizations.weight.original0.zero_()
    assert torch.allclose(encoder(turned, lengths), encoder(x, lengths).flip(1), atol=1e-10)


def test_weights_begin_as_berts() -> None:
    torch.manual_seed(0)
    encoder = TransformerEncoder(Encoder(kind="transformer", hidden=128), 39)
    linear = [module for module in encoder.modules() if isinstance(module, nn.Linear)]
    assert len(linear) == 2 + 2 * 4
    for module in linear:
        assert abs(float(module.weight.detach().std()) - 0.02) < 5e-4
        assert not module.bias.any()
    convolution = encoder.positions.convolution
    assert convolution.weight.shape == (256, 16, 128)
    assert abs(float(convolution.weight.detach().std()) / (4 / (128 * 256)) ** 0.5 - 1) < 0.01
    assert not convolution.bias.any()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden": 100, "heads": 3}, "encoder.hidden is 100 and encoder.heads 3; "),
        ({"hidden": 100}, "encoder.hidden is 100 and encoder.position_groups 16; "),
        ({"hidden": 128, "position_groups": 512}, "encoder.hidden is 128 and encoder.position_groups 512; "),
    ],
)
def test_impossible_sizes_are_refused(changes: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=f"^{said}twice the first must be divisible by the second.$"):
        TransformerEncoder(Encoder(kind="transformer", **changes), 39)


def transformer(config: Config, **changes: int) -> Config:
    """``config`` with a small transformer instead."""
    sizes = {"layerdrop": 0.1, "ffn": 24, "position_kernel": 16, "position_groups": 4} | changes
    return dataclasses.replace(config, encoder=dataclasses.replace(config.encoder, kind="transformer", **sizes))


def test_its_state_can_be_kept_and_copied(tiny_config: Config, tmp_path: Path) -> None:
    config = transformer(tiny_config)
    one, two = create(config), create(dataclasses.replace(config, seed=1))
    save_file(one.state_dict(), tmp_path / "w.safetensors")  # refuses tensors that share memory
    x = torch.randn(2, 30, one.front_end.width), torch.tensor([30, 17])
    expected = one.eval().encoder(*x)
    assert not torch.allclose(two.eval().encoder(*x), expected)
    two.load_state_dict(load_file(tmp_path / "w.safetensors"))
    assert torch.equal(two.encoder(*x), expected)
    copied = copy.deepcopy(one)
    with torch.no_grad():
        for weight in one.parameters():
            weight.zero_()
    assert torch.equal(copied.encoder(*x), expected)


@pytest.mark.parametrize("changes", [{}, {"stack": 1, "position_kernel": 5, "heads": 4}])
def test_the_graph_gives_the_tokens_of_the_module(
    tiny_config: Config, tmp_path: Path, generator: torch.Generator, changes: dict[str, int]
) -> None:
    config = transformer(tiny_config, **changes)
    model = create(config)
    with torch.no_grad():
        for weight in model.encoder.parameters():  # so that steps of one recording differ
            weight += 0.2 * torch.randn(weight.shape, generator=generator)
    wave = spread_codebook(model, generator)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    parity = write_onnx(model.train(), config, tmp_path / "t.onnx")
    assert [len(lengths) for lengths in parity.lengths] == [batch for batch, _ in PARITY]
    assert parity.agreement >= 0.999
    tokens = Tokenizer(tmp_path / "t.onnx", "cpu").encode(wave.numpy(), 8000)
    assert len(set(np.concatenate(tokens).tolist())) > 3
    # The module is left as it was, to be trained on.
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
