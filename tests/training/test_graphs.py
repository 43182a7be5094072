"""Batches by shape. (The graphs themselves need CUDA: their test below runs only there.)"""

from typing import Any

import pytest
import torch
from torch import nn

from tests.helpers import changed
from wav2tok.config.schema import Config
from wav2tok.device import bucket
from wav2tok.errors import UserError
from wav2tok.model.frames import repeat_last
from wav2tok.model.wav2tok import create
from wav2tok.training import graphs
from wav2tok.training.graphs import Graphs


def batch(bands: int, steps: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    frames = torch.tensor([steps, 1, max(1, steps // 2)])
    return repeat_last(torch.randn(3, steps, bands, generator=generator), frames), frames


@pytest.mark.parametrize("kind", ["sru", "lstm", "transformer"])
def test_embeddings_are_those_of_the_model(
    tiny_config: Config, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Within every recording. Each length has its graph, up to the most; further ones are computed without."""
    monkeypatch.setattr(graphs, "MOST", 2)
    seen: list[tuple[int, ...]] = []

    def record(module: nn.Module, example: Any) -> nn.Module:
        torch.rand(7)  # as warming up does
        seen.append(tuple(example[0].shape))
        return module

    model = create(changed(tiny_config, encoder={"kind": kind, "dropout": 0.0, "layerdrop": 0.0})).eval()
    embed = Graphs(model, "float32", record)
    bands = model.front_end.bands
    before = torch.get_rng_state()
    for steps in (19, 20, 33, 18, 90):
        spectrum, frames = batch(bands, steps, generator)
        got, expected = embed(spectrum, frames), model.embed(spectrum, frames)
        for one, other, count in zip(got, expected, model.encoder.steps(frames).tolist(), strict=True):
            torch.testing.assert_close(one[:count], other[:count], atol=1e-5, rtol=1e-4)
    assert seen == [(3, bucket(19), bands), (3, bucket(33), bands)]
    assert torch.equal(torch.get_rng_state(), before)


def test_layers_that_are_skipped_at_random_cannot_be_replayed(tiny_config: Config) -> None:
    with pytest.raises(UserError, match=r"train\.cuda_graphs is true, and encoder\.layerdrop 0\.1 skips"):
        changed(tiny_config, encoder={"kind": "transformer", "layerdrop": 0.1}, train={"cuda_graphs": True})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_graph_gives_the_embeddings_and_gradients_of_the_model(
    tiny_config: Config, generator: torch.Generator
) -> None:
    model = create(changed(tiny_config, encoder={"kind": "sru", "dropout": 0.0})).cuda()
    embed = Graphs(model, "float32")
    for steps in (20, 31, 20):
        spectrum, frames = (x.cuda() for x in batch(model.front_end.bands, steps, generator))
        results = []
        for form in (model.embed, embed):
            model.zero_grad()
            z = form(spectrum, frames)[:, : model.encoder.steps(torch.tensor(steps))]
            (z[0] * torch.arange(z.shape[2], device="cuda")).sum().backward()
            results.append([z[0].detach(), *(x.grad.clone() for x in model.encoder.parameters())])
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)
