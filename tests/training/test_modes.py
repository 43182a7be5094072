"""Every mode learns on the tiny corpus: it finds held-out recordings, is exported, and says the same tokens there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
import torch

from tests.helpers import changed
from tests.training.trainings import fit
from wav2tok.audio import decode
from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin
from wav2tok.corpus.recordings import Recordings, Splits
from wav2tok.matching.distances import edit_distances
from wav2tok.matching.ranking import mrr_map
from wav2tok.model import checkpoint
from wav2tok.model.wav2tok import create
from wav2tok.release.export import write_onnx
from wav2tok.spectra.embed import tokenize
from wav2tok.spectra.store import fill
from wav2tok.tokenizer.tokenizer import Tokenizer

MODES: dict[str, dict[str, dict[str, Any]]] = {
    "pairs": {},
    "singles": {"train": {"mode": "singles"}},
    "singles by dropout": {"train": {"mode": "singles"}, "augment": {"share": 0.0}, "encoder": {"dropout": 0.3}},
    "triplets": {"train": {"mode": "triplets"}},
    "same length": {"train": {"same_length": True}},
    "clips": {"train": {"clip_seconds": 0.3}, "encoder": {"tiled": True}},
    "subsets": {"train": {"subset_share": 0.5}},
    "only the partner changed": {"augment": {"views": "partner"}},
    "transformer": {
        "encoder": {"kind": "transformer", "hidden": 16, "ffn": 64, "position_kernel": 9, "position_groups": 4},
        "recipe": {"learning_rate": 2e-3},
    },
    "stft": {"features": {"kind": "stft"}},
    "logmel": {"features": {"kind": "logmel"}},
    "cqt": {"features": {"kind": "cqt", "n_fft": 512, "min_hz": 110.0}},
    "pitch": {"features": {"kind": "pitch", "n_fft": 1024}},
    "list": {},
}


def held_out(name: str, folder: Path, test: Recordings) -> tuple[float, list[np.ndarray]]:
    """MAP of test recordings asked for lower and slower, and higher and faster, and the strings as they are."""
    model = checkpoint.load(folder, name)[0]
    waves = [decode.read(path, 8000) for path in test.paths]
    classes, itself = np.array(test.classes), np.eye(len(test), dtype=bool)

    def strings(rate: int) -> list[np.ndarray]:
        changed = [soxr.resample(wave, 8000, rate) for wave in waves]
        return tokenize(model, fill(changed, model.front_end, None, torch.device("cpu")))

    known = strings(8000)
    found = [
        mrr_map(edit_distances(strings(rate), known), classes[:, None] == classes, ~itself)[1]
        for rate in (6900, 7400, 8600, 9200)
    ]
    return float(np.mean(found)), known


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_mode_finds_held_out_recordings_and_exports(
    tiny_split: Path, tiny_config: Config, tmp_path: Path, mode: str
) -> None:
    parts = audios_bin.read(tiny_split)
    data = tiny_split
    if mode == "list":
        assert parts.valid is not None
        data = tmp_path / "audios.bin"
        audios_bin.write(data, Splits(*(Recordings(p.paths) for p in (parts.train, parts.valid, parts.test))))
    change = MODES[mode]
    config = changed(tiny_config, **{**change, "train": {"epochs": 10, "patience": 10, **change.get("train", {})}})
    out = tmp_path / "model"
    progress = fit(data, out, config)
    assert progress.finished
    (before, _), (after, strings) = (held_out(name, out, parts.test) for name in ("untrained", "wav2tok_best"))
    assert after >= before

    tokenizer = Tokenizer.from_pretrained(out, "cpu")
    said = tokenizer.encode([decode.read(path, 8000) for path in parts.test.paths], 8000)
    assert [s.tolist() for s in said] == [s.tolist() for s in strings]


@pytest.mark.parametrize("mode", ["clips", "transformer", "cqt"])
def test_a_long_recording_is_the_same_in_windows(tiny_config: Config, tmp_path: Path, mode: str) -> None:
    """Tiles in windows are those of the whole. (A transformer attends to its whole input, so its input is tiles.)"""
    change = {key: keys for key, keys in MODES[mode].items() if key != "recipe"}
    change["encoder"] = {**change.get("encoder", {}), "tiled": True}
    config = changed(tiny_config, **{**change, "train": {"clip_seconds": 0.3}})
    model = create(config).eval()
    generator = torch.Generator().manual_seed(3)
    wave = torch.randn(1, 8000 * 130, generator=generator) * torch.linspace(0.01, 0.5, 8000 * 130)
    samples = torch.tensor([wave.shape[1]])
    with torch.no_grad():
        frames = model.front_end.frame_count(samples)
        z = model.embed(model.front_end.spectrum(wave, samples), frames)[0]
        model.set_codebook(z[:: len(z) // 8][:8])
        whole = model(wave, samples)[0][0].numpy()
    write_onnx(model, config, tmp_path / "tokenizer.onnx")
    tokenizer = Tokenizer(tmp_path / "tokenizer.onnx", "cpu")
    in_windows = tokenizer.encode_blocks(lambda: iter(np.array_split(wave[0].numpy(), 7)))
    assert len(in_windows) == len(whole)
    assert len(np.unique(whole)) > 3
    assert (in_windows == whole).mean() > 0.999
