"""The tokenizer as users see it, and how the tiny trained model behaves."""

import pickle
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
import torch

from wav2tok.audio import decode
from wav2tok.audio.find import find
from wav2tok.config.parameters import from_dict, to_dict
from wav2tok.config.schema import Config
from wav2tok.device import cuda_devices
from wav2tok.errors import UserError
from wav2tok.matching.distances import edit_distances
from wav2tok.matching.strings import deduplicate
from wav2tok.model import checkpoint
from wav2tok.model.wav2tok import create
from wav2tok.release.export import write_onnx
from wav2tok.tokenizer import ready_made
from wav2tok.tokenizer import tokenizer as tokenizing
from wav2tok.tokenizer.format import pack, unpack
from wav2tok.tokenizer.locate import locate
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Tokenizer:
    return Tokenizer.from_pretrained(tiny_model, "cpu", threads=1)


@pytest.fixture(scope="module")
def waves(tiny_corpus: Path) -> list[np.ndarray]:
    return [decode.read(path, 8000) for path in find(tiny_corpus)]


def test_strings_are_tokens_of_steps_without_repeats(tokenizer: Tokenizer, waves: list[np.ndarray]) -> None:
    frames, strings = tokenizer.encode_frames(waves, 8000), tokenizer.encode(waves, 8000)
    assert (tokenizer.step, tokenizer.frame_seconds) == (256, 0.032)  # two feature frames
    for wave, one, string in zip(waves, frames, strings, strict=True):
        assert len(one) == len(wave) // 256 + 1
        assert string.tolist() == deduplicate(one).tolist()
        assert len(string) > 0
        assert string.min() >= 0
        assert string.max() < tokenizer.num_tokens


def test_a_batch_gives_each_recording_what_it_gets_alone(tokenizer: Tokenizer, waves: list[np.ndarray]) -> None:
    waves = [*waves, waves[0][:1], waves[1][:200], np.tile(waves[2], 5)]
    together = tokenizer.encode(waves, 8000)
    alone = [tokenizer.encode([wave], 8000)[0] for wave in waves]
    assert [s.tolist() for s in together] == [s.tolist() for s in alone]


def test_the_same_graph_on_another_device(tiny_model: Path, waves: list[np.ndarray]) -> None:
    original = Tokenizer.from_pretrained(tiny_model, "cpu", 1)
    other = original.on("cpu")
    assert other.session is not original.session
    assert (other.identity, other.source) == (original.identity, original.source)
    for found, tokens in zip(other.encode(waves, 16000), original.encode(waves, 16000), strict=True):
        np.testing.assert_array_equal(found, tokens)
    with pytest.raises(UserError, match="'cuda:99'"):
        original.on("cuda:99")


def test_a_pickled_copy_needs_no_file(tiny_model: Path, tmp_path: Path, waves: list[np.ndarray]) -> None:
    graph = Path(shutil.copy(tiny_model / "tokenizer.onnx", tmp_path / "graph.onnx"))
    original = Tokenizer.from_pretrained(graph, "cpu", threads=1)
    graph.unlink()
    copy = pickle.loads(pickle.dumps(original))
    assert repr(copy) == repr(original)
    assert str(graph) in repr(copy)
    assert original.identity in repr(copy)
    assert [s.tolist() for s in copy.encode(waves[:3], 8000)] == [s.tolist() for s in original.encode(waves[:3], 8000)]


def test_files_give_what_their_waveforms_give(
    tokenizer: Tokenizer, waves: list[np.ndarray], tiny_corpus: Path, tmp_path: Path
) -> None:
    paths = find(tiny_corpus)
    assert [s.tolist() for s in tokenizer.encode_files(paths)] == [s.tolist() for s in tokenizer.encode(waves, 8000)]
    assert tokenizer.encode_file(str(paths[3])).tolist() == tokenizer.encode([waves[3]], 8000)[0].tolist()
    with pytest.raises(UserError, match=r"none\.wav cannot be read as audio \(no such file\)"):
        tokenizer.encode_files([paths[0], tmp_path / "none.wav"])


@pytest.mark.parametrize(
    ("waveforms", "rate", "said"),
    [
        ("query.wav", 8000, "waveforms is the path query.wav; encode a file with encode_file"),
        (Path("query.wav"), 8000, "encode_file"),
        (np.zeros(800, np.float32), 8000, "put it in a list"),
        ([np.zeros(800, np.int16)], 8000, "waveform 0 has dtype int16; .*32768"),
        ([np.zeros(800, np.float32), np.zeros(800, complex)], 8000, "waveform 1 has dtype complex128"),
        ([["a", "b"]], 8000, "waveform 0 has dtype <U1"),
        ([np.zeros((2, 800), np.float32)], 8000, r"shape \(2, 800\); it must be one channel"),
        ([np.zeros(800, np.float32)], 0, "sample_rate is 0"),
        ([np.zeros(800, np.float32)], 8000.5, r"sample_rate is 8000\.5"),
        ([np.zeros(800, np.float32)], "8000", "sample_rate is '8000'"),
    ],
)
def test_what_is_no_waveform_is_refused_by_name(tokenizer: Tokenizer, waveforms: Any, rate: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        tokenizer.encode(waveforms, rate)


@pytest.mark.parametrize("gain", [0.1, 0.25, 2.0, 4.0])
def test_a_louder_recording_has_the_same_tokens(tokenizer: Tokenizer, waves: list[np.ndarray], gain: float) -> None:
    plain, louder = tokenizer.encode(waves, 8000), tokenizer.encode([gain * w for w in waves], 8000)
    assert [s.tolist() for s in plain] == [s.tolist() for s in louder]


def test_more_noise_is_a_larger_distance(
    tokenizer: Tokenizer, waves: list[np.ndarray], rng: np.random.Generator
) -> None:
    plain = tokenizer.encode(waves, 8000)
    noises = [rng.standard_normal(len(w)).astype(np.float32) for w in waves]
    means = []
    for level in (0.0, 0.01, 0.3):
        noisy = tokenizer.encode([w + level * noise for w, noise in zip(waves, noises, strict=True)], 8000)
        means.append(float(np.diag(edit_distances(plain, noisy)).mean()))
    assert means[0] == 0 < means[1] < means[2]


def test_silence_before_a_recording_does_not_end_its_string(tokenizer: Tokenizer, waves: list[np.ndarray]) -> None:
    """A melody after a tenth of a second of silence is still nearer to itself than the other melodies are."""
    silent = [np.concatenate([np.zeros(800, np.float32), w]) for w in waves]
    distances = edit_distances(tokenizer.encode(silent, 8000), tokenizer.encode(waves, 8000))
    own, other = np.diag(distances), distances[~np.eye(len(waves), dtype=bool)]
    assert own.mean() < other.mean()


@pytest.mark.parametrize("rate", [16000, 22050, 44100])
def test_encode_converts_the_rate(tokenizer: Tokenizer, waves: list[np.ndarray], rate: int) -> None:
    converted = [soxr.resample(w, 8000, rate) for w in waves]
    back = [soxr.resample(w, rate, 8000) for w in converted]
    got = tokenizer.encode(converted, rate)
    assert [s.tolist() for s in got] == [s.tolist() for s in tokenizer.encode(back, 8000)]
    distances = edit_distances(got, tokenizer.encode(waves, 8000))
    assert np.diag(distances).mean() < distances.mean()


def test_other_number_types_are_accepted(tokenizer: Tokenizer, waves: list[np.ndarray]) -> None:
    expected = tokenizer.encode(waves[:2], 8000)
    for same in ([w.astype(np.float64) for w in waves[:2]], [w.tolist() for w in waves[:2]]):
        assert [s.tolist() for s in tokenizer.encode(same, 8000)] == [s.tolist() for s in expected]
    assert tokenizer.encode([], 8000) == []


@pytest.mark.parametrize(
    "wave", [np.zeros(0), np.array([0.1, np.nan]), np.array([np.inf, 0.0]), np.zeros((2, 100)), np.float32(1.0)]
)
def test_an_invalid_waveform_is_named_by_its_position(tokenizer: Tokenizer, wave: np.ndarray) -> None:
    with pytest.raises(UserError, match="waveform 1 "):
        tokenizer.encode([np.ones(100), wave], 8000)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_few_samples_at_a_high_rate_still_have_a_string(tokenizer: Tokenizer, n: int) -> None:
    (string,) = tokenizer.encode([np.full(n, 0.1, dtype=np.float32)], 48000)
    assert len(string) == 1


@pytest.mark.parametrize("rate", [0, -8000])
def test_an_invalid_rate_is_a_user_error(tokenizer: Tokenizer, rate: int) -> None:
    with pytest.raises(UserError, match=str(rate)):
        tokenizer.encode([np.ones(100)], rate)


def test_silence_has_a_string(tokenizer: Tokenizer) -> None:
    (string,) = tokenizer.encode([np.zeros(4000)], 8000)
    assert len(string) >= 1


def test_cuda_where_there_is_none_is_a_user_error(tiny_model: Path) -> None:
    if cuda_devices():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(UserError, match="no CUDA device"):
        Tokenizer.from_pretrained(tiny_model, "cuda")
    assert Tokenizer.from_pretrained(tiny_model, "auto").provider == "CPUExecutionProvider"
    with pytest.raises(UserError, match="'gpu'"):
        Tokenizer.from_pretrained(tiny_model, "gpu")


@pytest.mark.gpu
def test_cuda_gives_the_tokens_of_the_cpu(tiny_model: Path, tokenizer: Tokenizer, waves: list[np.ndarray]) -> None:
    if not cuda_devices():
        pytest.skip("no CUDA device here")
    on_cuda = Tokenizer.from_pretrained(tiny_model, "cuda")
    assert on_cuda.provider == "CUDAExecutionProvider"
    frames, expected = (np.concatenate(t.encode_frames(waves, 8000)) for t in (on_cuda, tokenizer))
    assert (frames == expected).mean() > 0.99


def test_the_codebook_travels_with_the_graph(tiny_model: Path, tokenizer: Tokenizer, rng: np.random.Generator) -> None:
    assert np.array_equal(tokenizer.codebook, checkpoint.load(tiny_model)[0].codebook.numpy())
    codebook = rng.standard_normal((5, 3)).astype(np.float32)
    assert np.array_equal(unpack(pack(codebook)), codebook)


def test_a_model_is_a_file_or_a_folder(tiny_model: Path, tmp_path: Path) -> None:
    graph = tiny_model / "tokenizer.onnx"
    assert locate(tiny_model) == locate(str(graph)) == graph
    (tmp_path / "model.onnx").write_bytes(graph.read_bytes())
    assert locate(tmp_path) == tmp_path / "model.onnx"
    same = Tokenizer.from_pretrained(tmp_path, "cpu")
    assert same.identity == Tokenizer.from_pretrained(tiny_model, "cpu").identity


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no tokenizer"):
        locate(tmp_path)
    with pytest.raises(UserError, match="missing does not exist"):
        locate(tmp_path / "missing")


def test_tokenizing_needs_no_torch(tiny_model: Path) -> None:
    code = (
        "import sys, numpy, wav2tok.tokenizer.tokenizer as t;"
        "t.Tokenizer.from_pretrained(sys.argv[1], 'cpu').encode([numpy.ones(4000)], 8000);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tiny_model)], check=True)


def small_windows(monkeypatch: pytest.MonkeyPatch, margin: int) -> None:
    """Windows of 64 frames (half a second of the tiny corpus), features in windows of 48."""
    monkeypatch.setattr(tokenizing, "CORE_FRAMES", 64)
    monkeypatch.setattr(tokenizing, "MARGIN_FRAMES", margin)
    monkeypatch.setattr(tokenizing, "FEATURE_FRAMES", 48)


def differing(tokenizer: Tokenizer, wave: np.ndarray, monkeypatch: pytest.MonkeyPatch, margin: int) -> float:
    """Share of the frames whose token is another in windows than in one piece."""
    (whole,) = tokenizer.encode_frames([wave], tokenizer.sample_rate)
    small_windows(monkeypatch, margin)
    got = tokenizer.encode_blocks(partial(iter, np.array_split(wave, 7)))
    assert got.dtype == np.int64
    assert got.shape == whole.shape
    return float((got != whole).mean())


@pytest.fixture(scope="module")
def joined(waves: list[np.ndarray]) -> np.ndarray:
    """All recordings of the tiny corpus in a row, 14 s."""
    return np.concatenate(waves)


@pytest.fixture(scope="module")
def loud_end(joined: np.ndarray) -> np.ndarray:
    """The same, 60 dB louder at its end: its floor, mean and variance depend on all of it."""
    return joined * np.where(np.arange(len(joined)) < len(joined) - 6000, 1e-3, 1).astype(np.float32)


@pytest.mark.parametrize("which", ["joined", "loud_end"])
def test_a_recording_in_windows_has_the_tokens_of_one_piece(
    tokenizer: Tokenizer, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    wave = request.getfixturevalue(which)
    shares = [differing(tokenizer, wave, monkeypatch, margin) for margin in (0, 8, 64, 200)]
    assert shares[0] > 0.03  # margins are needed
    assert shares[0] > shares[1] > 0.0005
    assert shares[2] <= 0.01
    assert shares[3] <= 0.002


@pytest.mark.parametrize("n", [1, 127, 128, 255, 256, 64 * 128 - 1, 64 * 128, 65 * 128, 128 * 128, 128 * 128 + 1])
def test_windows_give_as_many_tokens_as_one_piece(
    tokenizer: Tokenizer, joined: np.ndarray, monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    assert differing(tokenizer, joined[:n], monkeypatch, 64) <= 0.01


def test_how_a_recording_is_cut_into_blocks_does_not_matter(
    tokenizer: Tokenizer, joined: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_windows(monkeypatch, 16)
    expected = tokenizer.encode_blocks(partial(iter, [joined]))
    for cut in (2, 50, 1000):
        assert np.array_equal(tokenizer.encode_blocks(partial(iter, np.array_split(joined, cut))), expected)


def test_long_silence_has_the_tokens_of_one_piece(
    tokenizer: Tokenizer, joined: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows without a sound, also as a whole recording."""
    silence = np.zeros(40_000, dtype=np.float32)
    assert differing(tokenizer, np.concatenate([silence, joined[:20_000], silence]), monkeypatch, 128) <= 0.01
    # Features without any deviation show how their mean is rounded, for a few frames.
    assert differing(tokenizer, silence, monkeypatch, 128) <= 0.05


def test_long_waveforms_among_short_ones_keep_their_places(
    tokenizer: Tokenizer, waves: list[np.ndarray], joined: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = [waves[0], joined, waves[1], waves[2][:100], joined[:30_000][::-1], waves[3]]
    expected = tokenizer.encode_frames(mixed, 8000)
    small_windows(monkeypatch, 64)
    monkeypatch.setattr(tokenizing, "LONG_SAMPLES", 20_000)
    windowed: list[int] = []
    over_windows = Tokenizer.encode_blocks

    def encode_blocks(self: Tokenizer, blocks: partial) -> np.ndarray:
        windowed.append(sum(map(len, blocks())))
        return over_windows(self, blocks)

    monkeypatch.setattr(Tokenizer, "encode_blocks", encode_blocks)
    got = tokenizer.encode_frames(mixed, 8000)
    assert windowed == [len(joined), 30_000]
    for wave, one, other in zip(mixed, got, expected, strict=True):
        assert one.shape == other.shape
        assert (one == other).mean() >= (0.99 if len(wave) > 20_000 else 1)
    windowed.clear()
    monkeypatch.setattr(tokenizing, "LONG_SAMPLES", len(joined))
    assert np.array_equal(tokenizer.encode_frames([joined], 8000)[0], expected[1])
    assert windowed == []


@pytest.mark.parametrize(
    ("kind", "normalize", "stack", "encoder"),
    [(kind, normalize, 2, "lstm") for kind in ("mfcc", "logmel", "stft") for normalize in (True, False)]
    + [("mfcc", True, 1, "lstm"), ("mfcc", True, 3, "lstm"), ("mfcc", True, 2, "sru")],
)
def test_every_front_end_can_be_read_in_windows(
    tiny_config: Config,
    joined: np.ndarray,
    loud_end: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    normalize: bool,
    stack: int,
    encoder: str,
) -> None:
    values = to_dict(tiny_config)
    values["features"] |= {"kind": kind, "normalize": normalize}
    values["encoder"] |= {"stack": stack, "kind": encoder}
    config = from_dict(values)
    torch.manual_seed(0)
    model = create(config).eval()
    hidden = config.encoder.hidden
    # Magnitudes without normalisation do not depend on the whole, and those of quiet frames are all equal.
    wave = joined if kind == "stft" and not normalize else loud_end
    with torch.no_grad():
        # Untrained and with loud input a recurrent network may never forget, and no margin would do.
        if encoder == "sru":
            for layer in model.encoder.layers:
                layer.inputs.bias[2 * hidden : 4 * hidden] -= 3
        else:
            lstms = model.encoder.lstm
            for lstm in (*lstms.forwards, *lstms.backwards):
                lstm.bias_ih_l0[hidden : 2 * hidden] -= 3
            if not normalize and kind != "stft":
                for lstm in (lstms.forwards[0], lstms.backwards[0]):
                    lstm.weight_ih_l0 *= 0.1
        # A codebook of its own embeddings, so that many tokens occur.
        samples = torch.tensor([len(wave)])
        spectrum = model.front_end.spectrum(torch.from_numpy(wave)[None], samples)
        z = model.embed(spectrum, model.front_end.frame_count(samples))[0]
        model.codebook.copy_(z[:: len(z) // 8][:8])
    write_onnx(model, config, tmp_path / "t.onnx")
    tokenizer = Tokenizer(tmp_path / "t.onnx", "cpu", threads=1)
    (whole,) = tokenizer.encode_frames([wave], 8000)
    assert len(whole) == len(wave) // (128 * stack) + 1
    assert len(set(whole.tolist())) > 3
    assert differing(tokenizer, wave, monkeypatch, 64) <= max(0.002, 1 / len(whole))
    assert differing(tokenizer, wave, monkeypatch, 0) > 0.005


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_no_token(
    threads: int, tokenizer: Tokenizer, tiny_model: Path, waves: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [tokens.tolist() for tokens in tokenizer.encode_frames(waves, 8000)]
    shared = Tokenizer.from_pretrained(tiny_model, "cpu", threads=threads)
    for most in (1 << 18, 10_000):
        monkeypatch.setattr(tokenizing, "LANE_SAMPLES", most)
        assert [tokens.tolist() for tokens in shared.encode_frames(waves, 8000)] == expected


def test_features_are_those_that_torch_computes(
    tokenizer: Tokenizer, tiny_model: Path, waves: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of short recordings, and of one that is read in windows."""
    front_end = checkpoint.load(tiny_model)[0].front_end
    waves = [*waves[:3], np.tile(waves[3], 3)]
    monkeypatch.setattr(tokenizing, "LONG_SAMPLES", len(waves[3]) - 1)
    read = tokenizer.encode_with_features(waves)
    expected = tokenizer.encode_frames(waves, 8000)
    assert [tokens.tolist() for tokens, _ in read] == [tokens.tolist() for tokens in expected]
    for wave, (_, features) in zip(waves, read, strict=True):
        samples = torch.tensor([len(wave)])
        frames = front_end.frame_count(samples)
        with torch.inference_mode():
            known = front_end.differences(front_end.spectrum(torch.from_numpy(wave)[None], samples), frames)[0]
        np.testing.assert_allclose(features, known.numpy(), atol=1e-3)


def test_similarities_are_those_that_torch_computes(
    tokenizer: Tokenizer, tiny_model: Path, waves: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of short recordings, of one that is read in windows, and of one given in blocks."""
    model = checkpoint.load(tiny_model)[0].eval()
    waves = [*waves[:3], np.tile(waves[3], 3)]
    monkeypatch.setattr(tokenizing, "LONG_SAMPLES", len(waves[3]) - 1)
    read = tokenizer.encode_with_similarities(waves)
    assert read is not None
    blocks = tokenizer.similarities_of_blocks(lambda: np.array_split(waves[3], 7))
    np.testing.assert_allclose(blocks, read[3][1], atol=1e-5)
    for wave, (tokens, cosines), plain in zip(waves, read, tokenizer.encode_frames(waves, 8000), strict=True):
        assert tokens.tolist() == plain.tolist()
        samples = torch.tensor([len(wave)])
        with torch.inference_mode():
            spectrum = model.front_end.spectrum(torch.from_numpy(wave)[None], samples)
            known = model.embed(spectrum, model.front_end.frame_count(samples)) @ model.codebook.T
        np.testing.assert_allclose(cosines, known[0].amax(dim=1).numpy()[: len(tokens)], atol=1e-3)


@pytest.mark.parametrize("name", ready_made.names())
def test_a_ready_made_model_says_how_near_its_codewords_are(name: str, waves: list[np.ndarray]) -> None:
    found = Tokenizer.from_pretrained(name, "cpu").encode_with_similarities([np.tile(waves[0], 4)])
    assert found is not None
    ((tokens, cosines),) = found
    assert len(tokens) == len(cosines)
    assert (cosines > 0).all()
    assert (cosines <= 1 + 1e-5).all()
