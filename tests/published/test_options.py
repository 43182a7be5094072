"""Every option of the published trainer maps to our parameters."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.published.lines import NAMES, loaded, value
from tests.ranges import NUMBERS
from wav2tok.config.parameters import flatten, load
from wav2tok.errors import UserError
from wav2tok.published.options import OPTIONS, translate

pytestmark = pytest.mark.usefixtures("here")

# Option: (the rest of the line, the option, the parameters that it changes).
CHANGES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "debug": ("", "--debug 1", {"train.debug": True}),
    "is_dict": ("", "--is_dict True", {"augment.share": 0.0}),
    "sample_subdataset": ("", "--sample_subdataset True", {"train.subset_share": 0.1}),
    "subdata_split": ("--sample_subdataset True", "--subdata_split .25", {"train.subset_share": 0.25}),
    "is_triplet": ("--is_dict True", "--is_triplet True", {"train.mode": "triplets"}),
    "is_single": ("", "--is_single True", {"train.mode": "singles"}),
    "same_length": ("", "--same_length True", {"train.same_length": True}),
    "apply_augmentation": ("--is_dict True", "--apply_augmentation True", {"augment.share": 1.0}),
    "batch_size": ("", "--batch_size 9", {"recipes.batch_size": 9}),
    "EPOCHS": ("", "--EPOCHS 7", {"train.epochs": 7}),
    "autosave_epoch": ("", "--autosave_epoch 2", {"train.autosave_epoch": 2}),
    "patience": ("", "--patience 8", {"train.patience": 8}),
    "name": ("", "--name Hums", {"train.name": "Hums"}),
    "epoch_start": ("", "--epoch_start 5", {"train.start_epoch": 5}),
    "learning_rate": ("", "--learning_rate 1e-5", {"recipes.learning_rate": 1e-5}),
    "use_scheduler": ("", "--use_scheduler False", {"recipes.schedule": "constant", "recipes.warmup": 0.0}),
    "train_steps": ("", "--train_steps 1000", {"recipes.schedule_steps": 1000}),
    "warmup": ("", "--warmup .2", {"recipes.warmup": 0.2}),
    "load_dir": ("", "--load_dir Old", {"train.init_from": "Old_best"}),
    "load_model_epochid": ("--load_dir Old --best_model False --load_model_epochid 4", "--load_model_epochid 10",
                           {"train.init_from": "Old_10"}),
    "best_model": ("--load_dir Old --load_model_epochid 4", "--best_model False", {"train.init_from": "Old_4"}),
    "use_transformer": ("", "--use_transformer True", {"encoder.kind": "transformer", "encoder.dropout": 0.1}),
    "input_dim": ("", "--input_dim 513", {"encoder.input_dim": 513}),
    "emb_dim": ("", "--emb_dim 64", {"encoder.hidden": 32}),
    "num_tokens": ("", "--num_tokens 99", {"codebook.num_tokens": 99}),
    "num_layers": ("", "--num_layers 3", {"encoder.layers": 3}),
    "mfcc": ("", "--mfcc True", {"features.kind": "mfcc", "encoder.input_dim": 39}),
    "cluster_split": ("", "--cluster_split .5", {"codebook.cluster_split": 0.5}),
    "iter_clust": ("", "--iter_clust 70", {"recipes.iter_clust": 70}),
    "clip": ("", "--clip True", {"train.clip_seconds": 3.0, "encoder.tiled": True}),
    "clip_duration": ("--clip True", "--clip_duration 4.5", {"train.clip_seconds": 4.5}),
    "sr": ("", "--sr 8000", {"data.sample_rate": 8000}),
    "use_cosine": ("", "--use_cosine True", {"recipes.use_cosine": True}),
    "temp": ("", "--temp .07", {"recipes.temperature": 0.07}),
    "alpha": ("", "--alpha .1", {"recipes.alpha": 0.1}),
    "beta": ("", "--beta .2", {"recipes.beta": 0.2}),
}  # fmt: skip


def without(line: str, option: str) -> str:
    """``line`` without the option that ``option`` gives another value."""
    return re.sub(rf"{option.split()[0]} \S+ ?", "", line)


def test_every_option_is_in_the_table_and_has_a_case() -> None:
    assert sorted(option.name for option in OPTIONS) == sorted(NAMES)
    # Three set no parameter: the first two set an option of ours, the last nothing.
    assert set(NAMES) - set(CHANGES) == {"dataset", "device", "is_pairwise"}


@pytest.mark.parametrize("name", CHANGES)
def test_an_option_changes_what_it_governs_and_nothing_else(name: str) -> None:
    base, option, expected = CHANGES[name]
    before, after = loaded(base), loaded(f"{without(base, option)} {option}")
    for key, wanted in expected.items():
        assert value(before, key) != wanted, key
        assert value(after, key) == wanted, key
    # Nothing else changes.
    old, new = flatten(dataclasses.asdict(before)), flatten(dataclasses.asdict(after))
    changed = {key.replace("recipes.published.", "recipes.") for key in new if new[key] != old[key]}
    assert changed == set(expected)
    (row,) = [row for row in OPTIONS if row.name == name]
    assert {key.replace("recipes.published.", "recipes.") for key in row.ours} & changed


@pytest.mark.parametrize("name", CHANGES)
def test_an_option_is_reported_in_one_line(name: str) -> None:
    base, option, _ = CHANGES[name]
    translation = translate(f"{without(base, option)} {option}")
    (report,) = [line for line in translation.reports if line.split()[0] == name]
    settings = report.partition(" -> ")[2].partition(" (")[0].split(", ")
    assert set(settings) <= set(translation.overrides)
    (row,) = [row for row in OPTIONS if row.name == name]
    assert [setting.partition("=")[0] for setting in settings] == list(row.ours)


def test_the_form_of_a_report() -> None:
    reports = translate("--is_triplet True --is_dict True --dataset audios").reports
    assert "is_triplet True -> train.mode=triplets" in reports
    assert "dataset audios -> --data audios.bin" in reports
    assert "is_dict True -> augment.share=0.0 (the file must be a dictionary)" in reports
    # Options that the line omits are reported only with a remark.
    assert {line.split()[0] for line in reports} == {"is_triplet", "is_dict", "dataset", "device", "input_dim"}


def test_options_not_given_have_the_documented_defaults() -> None:
    config = loaded("")
    assert config.profile == "published"
    assert (config.train.recipe, config.train.epochs, config.train.patience) == ("published", 100, 5)
    assert (config.recipe.batch_size, config.recipe.iter_clust, config.recipe.learning_rate) == (4, 500, 2e-3)
    assert (config.recipe.alpha, config.recipe.beta, config.recipe.warmup) == (0.01, 0.01, 0.08)
    assert (config.train.clip_seconds, config.encoder.tiled, config.train.name) == (None, False, "TrialTok")
    assert (config.encoder.hidden, config.encoder.layers, config.codebook.num_tokens) == (128, 2, 50)
    assert (config.features.kind, config.features.normalize, config.encoder.stack) == ("stft", False, 1)
    translation = translate("")
    assert (translation.data, translation.device, translation.warnings) == (None, None, ())


def test_a_list_is_always_augmented_and_classes_on_request() -> None:
    for line, share in (("", 1.0), ("--apply_augmentation True", 1.0), ("--is_dict True", 0.0),
                        ("--is_dict True --apply_augmentation True", 1.0)):  # fmt: skip
        assert loaded(line).augment.share == share
        assert loaded(line).augment.views == "partner"


def test_text_and_large_numbers_arrive_unchanged() -> None:
    with pytest.raises(UserError, match=r"train\.epochs is 10+\.\.\.0+; it must be at most 1000000"):
        loaded(f"--EPOCHS {10**400}")
    assert translate(f"--dataset {'a' * 5000}").data is not None
    for name in ("5", "1e3", "true", "null", "2026-01-01", "0x10"):
        assert loaded(f"--name {name}").train.name == name
    assert loaded("--load_dir 'my models: old/a #1'").train.init_from == "my models: old/a #1_best"


def test_where_the_data_is_looked_for(here: Path) -> None:
    assert translate("--dataset audios").data == Path("audios.bin")
    places = ["../bin/audios.bin", "bin/audios.bin", "audios.bin"]
    for place in places:
        Path(place).parent.mkdir(exist_ok=True)
        Path(place).touch()
        assert translate("--dataset audios").data == Path(place)
        assert translate("--dataset audios.bin").data == Path(place)
    elsewhere = here.parent / "elsewhere.bin"
    elsewhere.touch()
    assert translate(f"--dataset {elsewhere}").data == elsewhere
    assert translate(f"--dataset {elsewhere.with_suffix('')}").data == elsewhere


@pytest.mark.parametrize(("text", "device"), [("cuda:0", "cuda"), ("cuda", "cuda"), ("cpu", "cpu")])
def test_the_device(text: str, device: str) -> None:
    assert translate(f"--device {text}").device == device
    assert f"device {text} -> --device {device}" in translate(f"--device {text}").reports


@pytest.mark.parametrize(("line", "parts"), [
    ("--is_pairwise True", ["--is_pairwise"]),
    ("--is_pairwise False", ["--is_pairwise"]),
    ("--subdata_split .1", ["--subdata_split", "--sample_subdataset"]),
    ("--clip_duration 2", ["--clip_duration", "--clip"]),
    ("--warmup .1 --use_scheduler False", ["--warmup", "--use_scheduler"]),
    ("--train_steps 10 --use_scheduler False", ["--train_steps", "--use_scheduler"]),
    ("--load_model_epochid 3", ["--load_model_epochid", "--load_dir"]),
    ("--best_model True", ["--best_model", "--load_dir"]),
    ("--input_dim 39", ["--input_dim 39", "--mfcc"]),
    ("--load_dir TrialTok --epoch_start 5 --load_model_epochid 4", ["--load_model_epochid 4", "--epoch_start 5"]),
])  # fmt: skip
def test_an_option_without_effect_is_a_warning(line: str, parts: list[str]) -> None:
    (warning,) = translate(line).warnings
    assert all(part in warning for part in parts)
    load(None, translate(line).overrides)


def test_options_with_an_effect_are_not_warned_about() -> None:
    line = ("--sample_subdataset True --subdata_split .1 --clip True --clip_duration 2 --warmup .1 --train_steps 9 "
            "--load_dir Old --load_model_epochid 3 --best_model False --mfcc True --input_dim 39")  # fmt: skip
    assert translate(line).warnings == ()


def test_the_documented_width_fits_mfcc_alone() -> None:
    assert loaded("--input_dim 39").encoder.input_dim is None
    assert loaded("--input_dim 39 --mfcc True").encoder.input_dim == 39
    assert loaded("--input_dim 40").encoder.input_dim == 40
    assert loaded("--input_dim 40 --mfcc True").encoder.input_dim == 40


def test_loading_and_resuming() -> None:
    best = translate("--load_dir Old --load_model_epochid 4")
    assert "train.init_from=Old_best" in best.overrides
    assert any("best_4 is Old_best" in line for line in best.reports)
    # Start again from its own weights, or resume.
    assert loaded("--load_dir TrialTok").train.init_from == "TrialTok_best"
    own = translate("--load_dir Hums --name Hums --epoch_start 10 --load_model_epochid 10")
    assert {"train.init_from=null", "train.start_epoch=10"} <= set(own.overrides)
    assert (own.warnings, any("resumes" in line for line in own.reports)) == ((), True)


# batch_size, learning_rate and so on: numbers that are passed on unchanged.
SAME = [row for row in OPTIONS if row.kind in ("whole", "number") and row.becomes is None and len(row.ours) == 1]


@given(st.data())
def test_numbers_arrive_as_they_are(data: st.DataObject) -> None:
    assert len(SAME) >= 12
    row = data.draw(st.sampled_from(SAME))
    schema = NUMBERS[row.ours[0].replace("recipes.published.", "recipes.staged.")]
    # The sampling rate has to fit the hop, and a training cannot start past its last epoch, nor an LSTM have none.
    low = {"EPOCHS": 1}.get(row.name, schema["minimum"])
    high = {"epoch_start": 100, "sr": 256_000}.get(row.name, schema["maximum"])
    number = data.draw(st.integers(low, high) if row.kind == "whole" else st.floats(low, high))
    equals = data.draw(st.sampled_from([" ", "="]))
    config = loaded(f"--{row.name}{equals}{number!r}")
    assert value(config, row.ours[0].replace("recipes.published.", "recipes.")) == number


@given(st.floats(0.01, 86400), st.integers(1, 8192), st.floats(0.01, 1.0))
def test_numbers_that_become_others_do_so_exactly(seconds: float, half: int, share: float) -> None:
    config = loaded(f"--clip 1 --clip_duration {seconds!r} --emb_dim {2 * half} --sample_subdataset=1 "
                    f"--subdata_split={share!r}")  # fmt: skip
    assert (config.train.clip_seconds, config.encoder.hidden, config.train.subset_share) == (seconds, half, share)
