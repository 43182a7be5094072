"""A tiny corpus of sung-like melodies and a tiny model that is really trained on it, made once a session.

They are for every test that needs "some corpus" or "some model": four melodies by seven voices, half a second each,
and a model of eight tokens that trains on one core in seconds.
"""

import atexit
import logging
import os
import shutil
import tempfile
import time
from pathlib import Path

# What the package keeps in the user's cache stays out of it, here and in every process that a test starts. (The fonts
# that matplotlib has found there may be used.)
os.environ.setdefault(
    "MPLCONFIGDIR", str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "matplotlib"))
)
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="wav2tok-cache-")
atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)
# Before torch is imported: one thread here and in every process that a test starts, so that sums are taken in the
# same order everywhere and results compare bit by bit.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Generator, Iterator

from wav2tok.device import settle_threads

settle_threads()  # before torch is imported

# isort: split

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, is_hypothesis_test, settings
from hypothesis.internal.conjecture import providers

from tests import servers
from wav2tok import progress
from wav2tok.config.parameters import from_dict
from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin
from wav2tok.corpus.listing import listing
from wav2tok.corpus.recordings import Splits
from wav2tok.progress import log
from wav2tok.stages.train import TrainRun, train

# The same examples at every run, so that a red run is a change's doing; no deadline, because machines are busy.
# Hypothesis also draws constants from the project's modules that happen to be imported. Which those are depends on how
# the tests were shared out among processes, so it draws none.
providers._get_local_constants = lambda: providers._local_constants
settings.register_profile("wav2tok", derandomize=True, deadline=None)
# `make fuzz`: other examples at every run, and as many as fit into a time.
settings.register_profile("fuzz", deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("WAV2TOK_EXAMPLES", "wav2tok"))
FUZZ_SECONDS = 90.0
"""Of the processor, for each property in `make fuzz`."""


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """In `make fuzz`, try a property with further examples until its time is up."""
    begun = time.process_time()
    result = yield
    if os.environ.get("WAV2TOK_EXAMPLES") == "fuzz" and is_hypothesis_test(pyfuncitem.obj):
        arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
        rounds = 1
        while time.process_time() - begun < FUZZ_SECONDS:
            pyfuncitem.obj(**arguments)
            rounds += 1
        pyfuncitem.user_properties.append(("rounds of examples", rounds))
    return result


RATE = 8000
MELODIES = {"arch": (0, 7, 0), "climb": (-5, 0, 6), "fall": (7, 1, -5), "zigzag": (-4, 6, -6)}
"""Semitones over a voice's own pitch, a note after the other."""
VOICES = ("ada", "ben", "cleo", "dan", "eva", "finn", "gus")


def melody(semitones: tuple[int, ...], voice: int, rate: int = RATE) -> np.ndarray:
    """A melody as a voice would hum it: own key, tempo and timbre, gliding notes, a little noise; float32 [N]."""
    rng = np.random.default_rng([voice, *[s + 100 for s in semitones]])
    base = 220.0 * 2 ** (rng.uniform(-2, 2) / 12)
    n = int(rate * rng.uniform(0.4, 0.6))
    notes = np.interp(np.linspace(0, len(semitones) - 1, n), range(len(semitones)), semitones)
    stepped = np.round(np.linspace(0, len(semitones) - 1, n)).astype(int)
    pitch = 0.7 * np.asarray(semitones, dtype=float)[stepped] + 0.3 * notes
    phase = 2 * np.pi * np.cumsum(base * 2 ** (pitch / 12)) / rate
    harmonics = sum(np.sin(h * phase) * rng.uniform(0.3, 1.0) / h for h in (1, 2, 3, 4))
    edges = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.02 * rate))
    return (0.2 * harmonics * edges + 0.002 * rng.standard_normal(n)).astype(np.float32)


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 28 recordings, ``MELODY/VOICE_0.flac``, 8 kHz, .4 to .6 s each."""
    root = tmp_path_factory.mktemp("tiny") / "corpus"
    for name, semitones in MELODIES.items():
        (root / name).mkdir(parents=True)
        for voice, singer in enumerate(VOICES):
            soundfile.write(root / name / f"{singer}_0.flac", melody(semitones, voice), RATE)
    return root


@pytest.fixture(scope="session")
def tiny_config(tiny_corpus: Path) -> Config:
    """A configuration that trains on `tiny_corpus` within seconds: two epochs of contrast, one of EM."""
    recipe = {"batch_size": 8, "contrast_share": 0.67, "iter_clust": 3, "learning_rate": 5e-3}
    return from_dict(
        {
            "data": {"path": str(tiny_corpus), "sample_rate": RATE},
            "split": {"test_share": 0.3, "valid_share": 0.4},
            "features": {"n_fft": 256, "hop": 128, "n_mels": 24, "n_mfcc": 8},
            "encoder": {"kind": "lstm", "hidden": 8, "layers": 2, "dim": 16, "dropout": 0.1},
            "codebook": {"num_tokens": 8, "iterations": 10},
            "train": {"epochs": 3, "steps_per_epoch": 8, "patience": 5},
            "recipes": {"staged": recipe, "published": {"batch_size": 4, "iter_clust": 3}},
            "evaluate": {"bootstrap": 50},
        }
    )


@pytest.fixture(scope="session")
def tiny_split(tiny_corpus: Path, tiny_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``audios.bin`` of `tiny_corpus`: two voices to test, two to tune, three to train."""
    recordings = listing(tiny_corpus, tiny_config.split, None)
    train, valid, test = (
        recordings.take(i for i, voice in enumerate(recordings.groups) if voice in voices)
        for voices in (("ben", "dan", "finn"), ("ada", "gus"), ("cleo", "eva"))
    )
    path = tmp_path_factory.mktemp("split") / "audios.bin"
    audios_bin.write(path, Splits(train, valid, test))
    return path


@pytest.fixture(scope="session")
def tiny_model(tiny_split: Path, tiny_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as ``wav2tok train`` leaves it. Read it, and copy it before changing anything in it."""
    out = tmp_path_factory.mktemp("model") / "model"
    train(TrainRun(tiny_split, out, None, tiny_config, "cpu", True))
    return out


@pytest.fixture(scope="session")
def mlflow_server() -> Iterator[servers.Tracking]:
    """An MLflow server with basic authentication on PostgreSQL; its client's environment is ``environment``."""
    with servers.postgres() as database, servers.mlflow_server(database) as tracking:
        yield tracking


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real recordings: $WAV2TOK_REAL_DATA, else ``../shared/data`` beside the project."""
    told = os.environ.get("WAV2TOK_REAL_DATA")
    path = Path(told) if told else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"{path} does not exist; set WAV2TOK_REAL_DATA to a folder of real recordings")
    return path


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture
def generator() -> torch.Generator:
    """torch's random numbers, the same in every run."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the library reports during the test, one string per line."""
    reported: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            reported.append(record.getMessage())

    progress.show_with(None)  # a command line that ran in this process may have left its own
    handler, level = Handler(), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield reported
    log.removeHandler(handler)
    log.setLevel(level)
