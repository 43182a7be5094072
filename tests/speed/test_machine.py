"""What the machine is and can do, and what the model demands of it."""

import dataclasses

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from wav2tok.config.schema import Config, Encoder, Features
from wav2tok.machine import describe
from wav2tok.model.wav2tok import create
from wav2tok.speed.machine import Floor, encoder_flop, measure_floor

CPU = torch.device("cpu")


@pytest.mark.gpu
def test_a_gpu_is_described_and_measured():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    device = torch.device("cuda")
    facts = describe(device)
    assert facts["gpu"] == torch.cuda.get_device_name()
    assert facts["gpu_memory_gib"] > 1
    on_gpu, on_cpu = measure_floor(device), measure_floor(CPU)
    assert on_gpu.flops > on_cpu.flops
    assert on_gpu.bandwidth > on_cpu.bandwidth


def test_the_floor_is_the_longer_of_the_two():
    floor = Floor(flops=100.0, bandwidth=10.0)
    assert floor.seconds(200, 5) == 2
    assert floor.seconds(200, 50) == 5
    assert floor.seconds(0, 0) == 0


@pytest.mark.parametrize("kind", ["lstm", "sru"])
@pytest.mark.parametrize("sizes", [Encoder(), Encoder(hidden=5, layers=1, dim=3), Encoder(layers=3)])
@pytest.mark.parametrize("features", [Features(), Features(kind="logmel"), Features(deltas=False)])
def test_a_recurrent_network_uses_every_weight_once_per_step(kind, sizes, features):
    """torch's own counter does not look into an LSTM."""
    config = dataclasses.replace(Config(), encoder=dataclasses.replace(sizes, kind=kind), features=features)
    model = create(config)
    weights = sum(p.numel() for p in model.encoder.parameters() if p.dim() == 2)
    assert encoder_flop(config, model.front_end.width, 50) == 2 * weights


@pytest.mark.parametrize("layers", [1, 3])
def test_a_transformer_costs_what_torch_counts(layers):
    sizes = Encoder(kind="transformer", hidden=8, layers=layers, dim=5, ffn=24, position_kernel=4, position_groups=2)
    config = dataclasses.replace(Config(), encoder=dataclasses.replace(sizes, stack=1))
    model = create(config).eval()
    x = torch.randn(1, 20, model.front_end.width)
    # torch counts attention where it is two plain products.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted, torch.no_grad():
        model.encoder(x, torch.tensor([20]))
    assert 20 * encoder_flop(config, model.front_end.width, 20) == pytest.approx(counted.get_total_flops(), rel=0.1)
