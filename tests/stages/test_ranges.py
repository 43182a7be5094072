"""Whatever the schema accepts runs on a tiny corpus, with finite figures, or is refused in a sentence.

Several workers share the walk with: pytest -n 4 --dist load tests/stages/test_ranges.py
"""

import contextlib
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.ranges import NUMBERS, TEXTS, given
from wav2tok.config.parameters import load, to_dict
from wav2tok.config.schema import Config
from wav2tok.errors import UserError
from wav2tok.stages.evaluate import evaluate
from wav2tok.stages.split import split
from wav2tok.stages.train import train
from wav2tok.stages.validate import validate
from wav2tok.training.prepare import TrainRun

pytestmark = pytest.mark.slow

LARGE = {
    "data.sample_rate": 48000,
    "encoder.hidden": 256,
    "encoder.dim": 512,
    "encoder.layers": 8,
    "encoder.ffn": 2048,
    "encoder.position_groups": 64,
    "codebook.num_tokens": 1024,
    "codebook.recombined": 2,
    "train.epochs": 4,
    "train.steps_per_epoch": 8,
    "recipes.staged.batch_size": 128,
    "evaluate.distractors": 40,
    "evaluate.bootstrap": 2000,
}
"""In place of the upper end, where that takes only patience, or memory (`tests/training/test_memory.py`)."""
TRANSFORMER = ("heads", "ffn", "layerdrop", "position_kernel", "position_groups")
NEEDED = dict.fromkeys(TRANSFORMER, "encoder.kind=transformer") | {
    "bins_per_octave": "features.kind=cqt",
    "min_hz": "features.kind=cqt",
    "harmonics": "features.kind=pitch",
}
"""What makes a parameter count, by its name."""


@pytest.fixture(scope="module")
def params(tiny_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    values = to_dict(tiny_config)
    values["evaluate"] |= {"tempos": [0.8], "semitones": [2], "snr_db": [5], "room_snr_db": [], "baselines": []}
    values["gate"]["beat"] = []
    values["evaluate"]["bootstrap"] = 20
    values["train"] |= {"epochs": 2, "steps_per_epoch": 1}
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture
def run(tiny_corpus: Path, tiny_split: Path, tiny_model: Path, tmp_path: Path) -> Callable[[str, Config], None]:
    """Run the stage that a section of the parameters governs."""

    def trains(config: Config) -> None:
        progress = train(TrainRun(tiny_split, tmp_path / "model", None, config, "cpu", True))
        figures = [value for row in progress.history for value in row.values()]
        assert all(math.isfinite(value) for value in [progress.best, *figures])

    stages: dict[str, Callable[[Config], object]] = {
        "validate": lambda config: validate(tiny_corpus, tmp_path / "validation", config),
        "split": lambda config: split(tiny_corpus, tmp_path / "audios.bin", config),
        "evaluate": lambda config: evaluate(tiny_split, str(tiny_model), tmp_path / "report", config, "cpu", False),
    }
    stages["gate"] = stages["evaluate"]

    def run(section: str, config: Config) -> None:
        for left in tmp_path.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        stages.get(section, trains)(config)

    return run


RUN = [key for key in NUMBERS if key.partition(".")[0] not in ("drift", "export", "register", "schedule")]
"""Without those that count days, versions and draws."""


@pytest.mark.promise(
    "A number at the end of its parameter's range",
    "The stage runs on a tiny corpus with finite figures, or says in a sentence what does not fit.",
)
@pytest.mark.parametrize("key", RUN)
def test_what_is_accepted_runs(key: str, params: Path, run: Callable[[str, Config], None]) -> None:
    schema = NUMBERS[key]
    high = LARGE.get(key, schema.get("maximum"))
    ends = [repr(schema["minimum"]), *([] if high is None else [repr(high)])]
    needed = [NEEDED[name] for name in [key.rpartition(".")[2]] if name in NEEDED]
    tried: list[Config] = []
    for text in [*TEXTS, *ends]:
        # Whatever else is raised fails the test.
        with contextlib.suppress(UserError):
            config = load(params, [given(key, text), *needed])
            if config not in tried:
                tried.append(config)
                run(key.partition(".")[0], config)
