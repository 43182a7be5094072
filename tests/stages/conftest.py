"""Models of different worth on one split with 48 test recordings, and reports on them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.conftest import RATE, melody
from wav2tok.config.parameters import from_dict, to_dict
from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin
from wav2tok.corpus.recordings import Recordings, Splits
from wav2tok.report import seal
from wav2tok.report.folder import ReportFolder
from wav2tok.stages.train import TrainRun, train
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import lineage

MELODIES = {
    "arch": (0, 7, 0),
    "climb": (-5, 0, 6),
    "fall": (7, 1, -5),
    "zigzag": (-4, 6, -6),
    "low": (-6, -6, 4),
    "high": (6, 6, -2),
}
PARTS = (range(4), range(4, 6), range(6, 14))
"""The voices in training, validation and test."""


@dataclass(frozen=True)
class Contest:
    """Trained models on one split.

    Attributes:
        data: the ``audios.bin``.
        models: "poor" (score about .53), "fair" (.77) and "good" (.90) -> the folder that ``wav2tok train`` wrote.
        config: with which they are evaluated and registered.
    """

    data: Path
    models: dict[str, Path]
    config: Config

    def settings(self, **parts: dict[str, Any]) -> Config:
        """The configuration with other values of some sections."""
        values = to_dict(self.config)
        for name, part in parts.items():
            values[name] |= part
        return from_dict(values)


@pytest.fixture(scope="session")
def contest(tmp_path_factory: pytest.TempPathFactory) -> Contest:
    """Six melodies by 14 voices, and three models of them."""
    root = tmp_path_factory.mktemp("contest")
    for name, semitones in MELODIES.items():
        (root / "corpus" / name).mkdir(parents=True)
        for voice in range(14):
            soundfile.write(root / "corpus" / name / f"voice{voice:02}_0.flac", melody(semitones, voice), RATE)

    def part(voices: range) -> Recordings:
        pairs = [(root / "corpus" / name / f"voice{voice:02}_0.flac", name) for name in MELODIES for voice in voices]
        return Recordings(tuple(str(path) for path, _ in pairs), tuple(name for _, name in pairs))

    data = root / "audios.bin"
    audios_bin.write(data, Splits(*map(part, PARTS)))

    def config(epochs: int, tokens: int, steps: int, rate: float) -> Config:
        recipe = {"batch_size": 8, "contrast_share": 0.67, "iter_clust": 3, "learning_rate": rate}
        return from_dict(
            {
                "data": {"path": str(root / "corpus"), "sample_rate": RATE},
                "features": {"n_fft": 256, "hop": 128, "n_mels": 24, "n_mfcc": 8},
                "encoder": {"hidden": 8, "layers": 2, "dim": 16, "dropout": 0.1},
                "codebook": {"num_tokens": tokens, "iterations": 10},
                "train": {"epochs": epochs, "steps_per_epoch": steps},
                "recipes": {"staged": recipe, "published": {"batch_size": 4, "iter_clust": 3}},
                "evaluate": {"tempos": [0.8], "semitones": [], "curve_queries": 0, "bootstrap": 50,
                             "baselines": ["kmeans_logmel"]},
                "gate": {"min_mrr": 0.3, "min_map": 0.2, "min_codebook_use": 0.0, "beat": []},
            }
        )  # fmt: skip

    recipes = {"poor": (1, 2, 1, 1e-6), "fair": (3, 8, 8, 5e-3), "good": (6, 16, 20, 5e-3)}
    for name, numbers in recipes.items():
        train(TrainRun(data, root / name, None, config(*numbers), "cpu", True))
    return Contest(data, {name: root / name for name in recipes}, config(*recipes["fair"]))


REASONS = ["MRR on TS, its worst view, is 0.100; it must be at least 0.3."]


def report(folder: Path, model: Path, data: Path, approved: bool = True, score: float = 0.5) -> Path:
    """The part of a report on a model that export and register read, sealed."""
    folder.mkdir(exist_ok=True)
    written = ReportFolder(folder)
    reasons = ["all was met."] if approved else REASONS
    written.gate.write_text(json.dumps({"approved": approved, "reasons": reasons, "clauses": []}))
    written.held_out.write_text(json.dumps({"score": score, "test_digest": "digest", "approved": approved}))
    written.headline.write_text(json.dumps({"mrr": score, "map": score, "score": score, "approved": approved}))
    written.markdown.write_text("# Retrieval\n\nof the tiny model\n")
    written.retrieval.write_text(
        "system,label,view,metric,value,low,high,queries\n"
        'wav2tok,"wav2tok, edit distance",V,mrr,0.5,0.4,0.6,8\n'
        'wav2tok,"wav2tok, edit distance",V,map,0.3,0.2,0.4,8\n'
        'mfcc_dtw,"MFCC, DTW",V,mrr,0.45,0.3,0.6,8\n'
        'mfcc_dtw,"MFCC, DTW",V,map,0.35,0.2,0.5,8\n'
    )
    written.table.write_text("system  V MRR\ntiny     0.5\n")
    seal.write(written, Tokenizer(model / "tokenizer.onnx", "cpu").identity, lineage.file_digest(data))
    return folder
