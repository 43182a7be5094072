"""From a split to a model folder."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
import soundfile
import torch
from safetensors.torch import load_file

from tests.helpers import changed
from tests.training.trainings import fit, interrupted_after
from wav2tok.config.parameters import from_dict, to_dict
from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin, heard, manifest, recordings, splits
from wav2tok.corpus.recordings import Recordings, Splits
from wav2tok.corpus.splits import read_splits
from wav2tok.corpus.validation import with_sources
from wav2tok.errors import UserError
from wav2tok.files import sha256
from wav2tok.model import checkpoint
from wav2tok.release.export import compare
from wav2tok.stages.cluster import cluster
from wav2tok.stages.split import split
from wav2tok.stages.train import TrainRun, train
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.training.prepare import prepare


@pytest.fixture(scope="module")
def first_codebook(tiny_split: Path, tiny_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cluster") / "codebook"
    cluster(tiny_split, out, tiny_config, "cpu")
    return out


def test_a_model_folder_holds_what_is_documented(tiny_model: Path, tiny_config: Config) -> None:
    assert sorted(p.name for p in tiny_model.iterdir()) == [
        "config.json",
        "heard.json",
        "history.json",
        "last.safetensors",
        "lineage.json",
        "tokenizer.onnx",
        "untrained.safetensors",
        "wav2tok_best.safetensors",
    ]
    assert checkpoint.read_config(tiny_model) == tiny_config
    assert Tokenizer.from_pretrained(tiny_model, "cpu").num_tokens == 8


def test_clustering_first_or_within_training_is_the_same(
    tiny_split: Path, tiny_config: Config, tiny_model: Path, first_codebook: Path, tmp_path: Path
) -> None:
    train(TrainRun(tiny_split, tmp_path, first_codebook, tiny_config, "cpu", False))
    for name in ("untrained", "wav2tok_best", "last"):
        one, two = (load_file(folder / f"{name}.safetensors") for folder in (tiny_model, tmp_path))
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one), name


def test_the_first_codebook_fits_its_encoder(first_codebook: Path) -> None:
    model, _, info = checkpoint.load(first_codebook, "untrained")
    assert torch.allclose(model.codebook.norm(dim=1), torch.ones(8), atol=1e-5)
    assert 0.5 < info["similarity"] <= 1


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("features", "n_mels", 25),
        ("encoder", "hidden", 9),
        ("codebook", "num_tokens", 9),
        ("data", "sample_rate", 16000),
    ],
)
def test_a_codebook_of_other_parameters_is_refused(
    tiny_split: Path, tiny_config: Config, first_codebook: Path, tmp_path: Path, section: str, key: str, value: int
) -> None:
    values = to_dict(tiny_config)
    values[section][key] = value
    with pytest.raises(UserError, match="other parameters"):
        train(TrainRun(tiny_split, tmp_path, first_codebook, from_dict(values), "cpu", False))


def test_a_codebook_of_another_similarity_is_refused(
    tiny_split: Path, tiny_config: Config, first_codebook: Path, tmp_path: Path
) -> None:
    values = to_dict(tiny_config)
    values["train"]["recipe"] = "published"
    with pytest.raises(UserError, match="use_cosine"):
        train(TrainRun(tiny_split, tmp_path, first_codebook, from_dict(values), "cpu", False))


def test_a_split_without_validation_gets_one_from_its_training_part(
    tiny_split: Path, tiny_config: Config, tmp_path: Path
) -> None:
    parts = audios_bin.read(tiny_split)
    audios_bin.write(tmp_path / "audios.bin", Splits(parts.train, None, parts.test))
    got = read_splits(tmp_path / "audios.bin", tiny_config)
    assert got.valid is not None
    assert sorted((*got.train.paths, *got.valid.paths)) == sorted(parts.train.paths)
    assert sorted(got.test.paths) == sorted(parts.test.paths)


@pytest.mark.promise("A recording of the split is gone", "Training names it before it starts.")
def test_a_recording_that_is_gone_is_named(tiny_split: Path, tiny_config: Config, tmp_path: Path) -> None:
    parts = audios_bin.read(tiny_split)
    assert parts.train.classes is not None
    lost = recordings.Recordings((*parts.train.paths, "gone.flac"), (*parts.train.classes, "arch"))
    audios_bin.write(tmp_path / "audios.bin", Splits(lost, parts.valid, parts.test))
    with pytest.raises(UserError, match=r"gone\.flac"):
        train(TrainRun(tmp_path / "audios.bin", tmp_path / "model", None, tiny_config, "cpu", False))


def test_an_earlier_model_stays_whole_until_the_next_one_is(
    tiny_split: Path, tiny_config: Config, tmp_path: Path
) -> None:
    """A crash early in a second training leaves neither nothing nor the first graph next to the second weights."""
    train(TrainRun(tiny_split, tmp_path, None, tiny_config, "cpu", False))
    values = to_dict(tiny_config)
    values["encoder"]["hidden"] = 6
    with interrupted_after(1):
        train(TrainRun(tiny_split, tmp_path, None, from_dict(values), "cpu", True))
    model, config, _ = checkpoint.load(tmp_path)
    assert config.encoder.hidden == tiny_config.encoder.hidden
    assert not compare(model, Tokenizer(tmp_path / "tokenizer.onnx", "cpu"), config.data.sample_rate).differing
    train(TrainRun(tiny_split, tmp_path, None, from_dict(values), "cpu", False))
    model, config, _ = checkpoint.load(tmp_path)
    assert config.encoder.hidden == 6
    assert not compare(model, Tokenizer(tmp_path / "tokenizer.onnx", "cpu"), config.data.sample_rate).differing


@pytest.mark.parametrize("own_validation", [True, False])
def test_no_test_recording_reaches_clustering_training_normalisation_or_early_stopping(
    tiny_split: Path, tiny_config: Config, tmp_path: Path, own_validation: bool
) -> None:
    """Without any of the test's files all that is learned is the same: weights, codebooks, choice of epoch."""
    parts = audios_bin.read(tiny_split)
    learned = []
    for name, test in (
        ("there", parts.test),
        ("gone", Recordings(tuple(f"gone/{path}" for path in parts.test.paths), parts.test.classes)),
    ):
        folder = tmp_path / name
        folder.mkdir()
        audios_bin.write(folder / "audios.bin", Splits(parts.train, parts.valid if own_validation else None, test))
        train(TrainRun(folder / "audios.bin", folder / "model", None, tiny_config, "cpu", True))
        history = json.loads((folder / "model" / "history.json").read_text())
        figures = [{k: v for k, v in row.items() if k not in ("seconds", "audio_per_second")} for row in history]
        names = ("untrained", "wav2tok_best", "last")
        weights = {name: load_file(folder / "model" / f"{name}.safetensors") for name in names}
        learned.append((figures, weights))
    (figures, weights), (other_figures, other_weights) = learned
    assert figures == other_figures
    for name, tensors in weights.items():
        assert tensors.keys() == other_weights[name].keys()
        assert all(torch.equal(tensors[key], other_weights[name][key]) for key in tensors), name


def with_unheard(config: Config) -> Config:
    return changed(config, train={"unheard_validation": 0.5})


def test_classes_that_validation_holds_out_are_in_no_pair_and_no_e_step(
    tiny_split: Path, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training from which their recordings were taken beforehand learns the same weights and codebooks."""
    monkeypatch.setattr(splits, "LEAST_HEARD", 2)
    config = with_unheard(tiny_config)
    parts = audios_bin.read(tiny_split)
    read = read_splits(tiny_split, config)
    unheard = set(read.valid.classes or ()) - set(read.train.classes or ())
    assert len(unheard) == 2
    assert (read.valid, read.test) == (parts.valid, parts.test)
    assert read.train == parts.train.take(i for i, c in enumerate(parts.train.classes or ()) if c not in unheard)
    audios_bin.write(tmp_path / "audios.bin", Splits(read.train, parts.valid, parts.test))
    fit(tiny_split, tmp_path / "held_out", config)
    fit(tmp_path / "audios.bin", tmp_path / "taken", tiny_config)
    ours, theirs = (load_file(tmp_path / name / "last.safetensors") for name in ("held_out", "taken"))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    history, plain = (json.loads((tmp_path / n / "history.json").read_text()) for n in ("held_out", "taken"))
    for row, other in zip(history, plain, strict=True):
        assert row["valid_mrr"] == other["valid_mrr"]
        assert {"valid_mrr_unheard", "valid_map_unheard"} <= row.keys() - other.keys()
        assert 0 <= row["valid_score"] <= 1


def test_too_few_classes_are_not_held_out(tiny_split: Path, tiny_config: Config, lines: list[str]) -> None:
    read = read_splits(tiny_split, with_unheard(tiny_config))
    assert read == read_splits(tiny_split, tiny_config)
    assert any("holds out 2 of 4 classes, and validation needs at least 2 unheard and 4 heard ones" in s for s in lines)


def test_a_codebook_of_other_training_recordings_is_refused(
    tiny_split: Path, tiny_config: Config, first_codebook: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"train\.unheard_validation"):
        train(TrainRun(tiny_split, tmp_path, first_codebook, with_unheard(tiny_config), "cpu", False))


def test_of_groups_sources_and_never_heard_classes_of_the_test_nothing_is_read(
    tiny_corpus: Path, tiny_config: Config, tmp_path: Path
) -> None:
    """From files: without the recordings of the test's groups, sources and never-heard classes training is the same.

    ``gus`` is a window of ``ada`` under another name, so the two are one source and in one part.
    """
    learned = []
    for name in ("there", "gone"):
        root = tmp_path / name / "corpus"
        shutil.copytree(tiny_corpus, root)
        for path in root.glob("*/gus_0.flac"):
            sound, rate = soundfile.read(path.with_name("ada_0.flac"))
            soundfile.write(path, 0.5 * sound[100:], rate)
        config = changed(tiny_config, split={"unheard_classes": 0.25}, data={"path": "corpus"})
        data = tmp_path / name / "audios.bin"
        with contextlib.chdir(tmp_path / name):
            entries = manifest.build(Path("corpus"))
            entries, _ = with_sources([Path("corpus", entry.path) for entry in entries], entries)
            manifest.write_csv(entries, Path("manifest.csv"))
            split(Path("corpus"), data, config, manifest=Path("manifest.csv"), test_groups=["ada+gus", "ben"])
            parts = audios_bin.read(data)
            assert parts.valid is not None
            heard = {*parts.train.paths, *parts.valid.paths}
            assert {path.rpartition("/")[2].partition("_")[0] for path in heard} == {"cleo", "dan", "eva", "finn"}
            never = {path.split("/")[1] for path in parts.test.paths} - {path.split("/")[1] for path in heard}
            assert len(never) == 1
            assert {one.group for one in parts.test if one.source} == {"ada+gus"}
            if name == "gone":
                for path in map(str, Path("corpus").rglob("*.flac")):
                    if path not in heard:
                        Path(path).unlink()
            fit(data, Path("model"), config)
            learned.append({path.name: load_file(path) for path in sorted(Path("model").glob("*.safetensors"))})
    there, gone = learned
    assert there.keys() == gone.keys() >= {"untrained.safetensors", "wav2tok_best.safetensors"}
    for name, tensors in there.items():
        assert all(torch.equal(tensors[key], gone[name][key]) for key in tensors), name


def test_a_model_has_heard_what_its_initial_weights_had(
    tiny_split: Path, tiny_model: Path, tiny_config: Config, tmp_path: Path
) -> None:
    parts = audios_bin.read(tiny_split)
    first = parts.train.classes.index("fall") if parts.train.classes else 0
    fewer = Splits(parts.train.take(range(first)), None, parts.test)
    audios_bin.write(tmp_path / "fewer.bin", fewer)
    of_split = set(heard.read(tiny_model))
    assert of_split == {sha256(path) for part in (parts.train, parts.valid) if part for path in part.paths}
    alone = prepare(TrainRun(tmp_path / "fewer.bin", tmp_path / "alone", None, tiny_config, "cpu", False))
    assert heard.read(alone.out) == {sha256(path) for path in fewer.train.paths}
    config = changed(tiny_config, train={"init_from": str(tiny_model)})
    further = prepare(TrainRun(tmp_path / "fewer.bin", tmp_path / "further", None, config, "cpu", False))
    assert heard.read(further.out) == of_split | heard.read(alone.out)
