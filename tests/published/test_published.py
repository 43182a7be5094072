"""The published trainer's command line: every option maps to our parameters, and the page about them is true."""

import dataclasses
import importlib
import pickle
import re
import sys
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ranges import NUMBERS
from wav2tok import cli as command_line
from wav2tok.config.parameters import PROFILES, flatten, load
from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin, recordings
from wav2tok.errors import UserError
from wav2tok.published.line import as_yaml
from wav2tok.published.options import COMMAND, OPTIONS, RECIPE, check, translate

PAGE = PROFILES / "published.md"
NAMES = [
    "debug", "dataset", "is_dict", "sample_subdataset", "subdata_split", "is_triplet", "is_single", "same_length",
    "apply_augmentation", "batch_size", "EPOCHS", "autosave_epoch", "patience", "name", "epoch_start", "device",
    "learning_rate", "use_scheduler", "train_steps", "warmup", "load_dir", "load_model_epochid", "best_model",
    "use_transformer", "input_dim", "emb_dim", "num_tokens", "num_layers", "mfcc", "cluster_split", "iter_clust",
    "clip", "clip_duration", "sr", "use_cosine", "temp", "alpha", "beta", "is_pairwise",
]  # fmt: skip
CASE_1 = "python3 train.py --dataset audios --is_dict True --is_pairwise True --apply_augmentation True"
CASE_2 = "python3 train.py --dataset audios --is_dict False --is_pairwise True"

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


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, so that no parameters or data are found by accident."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def loaded(line: str) -> Config:
    return load(None, translate(line).overrides)


def value(config: Config, key: str) -> Any:
    """The value of ``key``; ``recipes.KEY`` means the recipe that trains."""
    return attrgetter(key.replace("recipes.", "recipe."))(config)


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


def test_a_published_line_overrides_a_parameter_file(here: Path) -> None:
    (here / "params.yaml").write_text("encoder: {input_dim: 7, layers: 5}\ntrain: {init_from: x, epochs: 1}\nseed: 4\n")
    config = loaded("")
    assert (config.encoder.input_dim, config.encoder.layers) == (None, 2)
    assert (config.train.init_from, config.train.epochs, config.seed) == (None, 100, 4)


def test_the_documented_command_of_case_1(here: Path) -> None:
    (here / "audios.bin").write_bytes(pickle.dumps([{"a": ["1.wav", "2.wav"]}, {"a": ["3.wav"]}]))
    translation = translate(CASE_1)
    assert translation.data == Path("audios.bin")
    assert translation.device is None
    assert ["--is_pairwise" in warning for warning in translation.warnings] == [True]
    check(translation, audios_bin.read("audios.bin"), Path("audios.bin"))
    config = load(None, translation.overrides)
    assert (config.augment.share, config.augment.views, config.train.mode) == (1.0, "partner", "pairs")
    # The profile differs only in the values of the documentation's examples.
    profile = flatten(dataclasses.asdict(load(None, ["profile=published"])))
    ours = flatten(dataclasses.asdict(config))
    assert {key for key in ours if ours[key] != profile[key]} == {
        "train.name",
        "recipes.published.batch_size",
        "recipes.published.iter_clust",
    }


def test_the_documented_command_of_case_2(here: Path) -> None:
    (here / "audios.bin").write_bytes(pickle.dumps([["1.wav", "2.wav"], ["3.wav"]]))
    translation = translate(CASE_2)
    check(translation, audios_bin.read("audios.bin"), Path("audios.bin"))
    config = load(None, translation.overrides)
    assert (config.augment.share, config.augment.views) == (1.0, "partner")
    assert any("always pair with their augmentation" in line for line in translation.reports)
    assert flatten(dataclasses.asdict(config)) == flatten(dataclasses.asdict(loaded(CASE_1)))


def test_the_profile_has_the_values_of_the_documented_cases() -> None:
    config = load(None, ["profile=published"])
    augment = dataclasses.asdict(config.augment)
    del augment["contour_changes"]  # without a strength they change nothing
    assert augment == {
        "share": 1.0, "semitones": 6.0, "min_tempo": 0.9, "max_tempo": 1.49, "equalizer_db": 0.0, "noise_db": None,
        "views": "partner", "contour": 0.0,
    }  # fmt: skip
    assert (config.recipe.batch_size, config.recipe.iter_clust) == (16, 1000)
    assert (config.train.clip_seconds, config.train.steps_per_epoch) == (None, None)


def test_a_list_is_always_augmented_and_classes_on_request() -> None:
    for line, share in (("", 1.0), ("--apply_augmentation True", 1.0), ("--is_dict True", 0.0),
                        ("--is_dict True --apply_augmentation True", 1.0)):  # fmt: skip
        assert loaded(line).augment.share == share
        assert loaded(line).augment.views == "partner"


@pytest.mark.parametrize("line", [
    CASE_1, CASE_1.removeprefix("python3 train.py "), CASE_1.replace("python3", "python3.11"),
    CASE_1.replace("train.py", "src/train.py"), CASE_1.replace("python3", "/usr/bin/python"),
    CASE_1.removeprefix("python3 "), CASE_1.replace("audios", "'audios'"), CASE_1.replace(" True", "=True"),
    CASE_1.replace("--dataset ", "--dataset="), CASE_1.replace("True", "1"), CASE_1.replace("True", "yes"),
    CASE_1.replace("True", "TRUE"), CASE_1.replace(" True", ""), CASE_1.replace(" --is_dict", " \\\n  --is_dict"),
])  # fmt: skip
def test_forms_of_the_same_line(line: str) -> None:
    assert translate(line) == translate(CASE_1)


@pytest.mark.parametrize("text", ["False", "false", "0", "no", "NO"])
def test_no_is_no(text: str) -> None:
    assert translate(f"--is_dict {text} --use_cosine={text}") == translate("--is_dict False --use_cosine False")
    assert loaded(f"--use_cosine={text}").recipe.use_cosine is False


def test_aliases_are_the_same_option() -> None:
    assert translate("--save_dir Hums --autosave 3") == translate("--name Hums --autosave_epoch 3")


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


REFUSED = {
    "an unknown option": ("--batchsize 4", "--batchsize is not an option", "did you mean --batch_size?"),
    "another case": ("--epochs 4", "--epochs is not an option", "did you mean --EPOCHS?"),
    "something else": ("--zzzz 4", "--zzzz is not an option", "published.md"),
    "a word": ("audios --is_dict True", "audios is not an option", ""),
    "a word behind a value": ("--EPOCHS 3 4", "4 is not an option", ""),
    "a dash": ("-is_dict True", "-is_dict is not an option", "--is_dict"),
    "another script": ("python3 test.py --is_dict True", "test.py is not an option", ""),
    "a repeated option": ("--temp 1 --temp 2", "--temp 2 repeats --temp 1", "omit one"),
    "a repeated alias": ("--name a --save_dir b", "--save_dir b repeats --name a", "omit one"),
    "no truth": ("--is_dict maybe", "--is_dict maybe is neither", "True or False"),
    "no flag value": ("--is_dict=", "--is_dict is neither", "True or False"),
    "no number": ("--EPOCHS many", "--EPOCHS many is not a whole number", "such as --EPOCHS 100"),
    "half a number": ("--EPOCHS 2.5", "--EPOCHS 2.5 is not a whole number", ""),
    "not a number": ("--temp nan", "--temp nan is not a number", "such as --temp 0.1"),
    "no end of a number": ("--learning_rate inf", "--learning_rate inf is not a number", ""),
    "no value": ("--temp --is_dict True", "--temp has no value", "such as --temp 0.1"),
    "no value at the end": ("--train_steps", "--train_steps has no value", "such as --train_steps 5"),
    "two lines": ("--is_dict 'a\nb'", "--is_dict a b is neither", ""),
    "no text": ("--dataset= --is_dict True", "--dataset has no value", "such as --dataset NAME"),
    "an open quotation mark": ("--name 'a", "cannot be split", "quotation mark"),
    "triplets and singles": ("--is_triplet True --is_single True", "--is_triplet True and --is_single", "omit one"),
    "an odd width": ("--emb_dim 7", "--emb_dim 7", "such as 256"),
    "no width": ("--emb_dim 0", "--emb_dim 0", "such as 256"),
    "no duration": ("--clip True --clip_duration 0", "--clip_duration 0", "such as 3"),
    "no duration, without clips": ("--clip_duration -1", "--clip_duration -1", "such as 3"),
    "another device": ("--device cuda:1", "--device cuda:1", "use cuda:0 or cpu"),
    "weights of no epoch": ("--load_dir Old --best_model False", "--load_dir Old with --best_model False",
                            "add --load_model_epochid"),
    "two beginnings": ("--load_dir Old --epoch_start 5", "--epoch_start 5 resumes the training TrialTok",
                       "--load_dir Old"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_line_is_refused_in_one_sentence(case: str) -> None:
    line, what, way = REFUSED[case]
    with pytest.raises(UserError) as caught:
        translate(line)
    sentence = str(caught.value)
    assert caught.value.parameter == "published_args"
    assert what in sentence
    assert way in sentence
    assert sentence[-1] in ".?"
    assert len(sentence.splitlines()) == 1


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


def parts(kind: str) -> recordings.Splits:
    train, test = (recordings.Recordings((f"{i}.wav",), ("a",) if kind == "dict" else None) for i in range(2))
    return recordings.Splits(train, None, test)


@pytest.mark.parametrize(("line", "kind", "sentence"), [
    ("--is_dict True", "list", "a.bin holds a list without classes, and --is_dict is True"),
    ("--is_dict False", "dict", "a.bin holds a dictionary of classes, and --is_dict is False; use --is_dict True"),
    ("", "dict", "use --is_dict True"),
    ("--is_triplet True", "list", "a.bin holds a list without classes, and --is_triplet"),
])  # fmt: skip
def test_a_line_that_contradicts_its_file_is_refused(line: str, kind: str, sentence: str) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)) as caught:
        check(translate(line), parts(kind), Path("a.bin"))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("line", "kind"), [
    ("--is_dict True", "dict"), ("--is_dict True --is_triplet True", "dict"), ("", "list"), ("--is_single 1", "list"),
])  # fmt: skip
def test_a_line_that_fits_its_file(line: str, kind: str) -> None:
    check(translate(line), parts(kind), Path("a.bin"))


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


WORDS = st.sampled_from([f"--{name}" for name in NAMES]) | st.text(max_size=12)


@given(st.lists(WORDS, max_size=6).map(" ".join))
def test_any_text_is_translated_or_refused(text: str) -> None:
    try:
        translation = translate(text)
    except UserError:
        return
    assert translation.overrides[0] == "profile=published"


def default_here(key: str, config: Config) -> str:
    """Our own default; of a key of the published recipe, that of the recipe that trains by default."""
    if key in COMMAND:
        return COMMAND[key]
    if key.startswith(RECIPE):
        return as_yaml(getattr(config.recipe, key.removeprefix(RECIPE)))
    return as_yaml(attrgetter(key)(config))


def test_the_page_lists_every_option_with_what_it_becomes_and_both_defaults() -> None:
    page = PAGE.read_text(encoding="utf-8")
    expected = [
        [
            " or ".join(f"`{name}`" for name in (option.name, *option.aliases)),
            ", ".join(f"`{key}`" for key in option.ours) or "nothing",
            "none" if option.default is None else str(option.default),
            ", ".join(default_here(key, Config()) for key in option.ours) or "none",
        ]
        for option in OPTIONS
    ]
    rows = [line for line in page.splitlines() if line.startswith("| `") and "`wav2tok." not in line]
    assert all(row.count("|") == 6 for row in rows), "a remark holds a bar"
    assert [[cell.strip() for cell in row.split("|")[1:5]] for row in rows] == expected
    assert len(OPTIONS) == len(NAMES)
    assert CASE_1 in page
    assert CASE_2 in page


def test_defaults_of_the_command_line_are_ours() -> None:
    from typer.main import get_command

    train = get_command(command_line.app).commands["train"]  # type: ignore[attr-defined]
    defaults = {parameter.opts[0]: str(parameter.default) for parameter in train.params}
    assert {name: defaults[name] for name in COMMAND} == COMMAND


def mentioned() -> list[str]:
    """Every name of ours on the page, such as ``wav2tok.model.wav2tok.Wav2Tok.embed``."""
    return sorted(set(re.findall(r"`(wav2tok\.[\w.]+)`", PAGE.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("name", mentioned())
def test_a_name_on_the_page_exists_and_is_documented(name: str) -> None:
    *module, last = name.split(".")
    try:
        named = getattr(importlib.import_module(".".join(module)), last)
    except ModuleNotFoundError:  # a method
        named = getattr(getattr(importlib.import_module(".".join(module[:-1])), module[-1]), last)
    assert named.__doc__


def test_the_page_names_every_published_function() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in ("forward", "cluster", "get_feats", "get_embs", "initialize_classifier", "ctc_loss_cal",
                 "gen_prototype", "matching_loss", "inter_dict_weights", "save_weights", "load_weights",
                 "Trainer"):  # fmt: skip
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` | `wav2tok.")]
        assert "wav2tok." in row


@pytest.fixture
def cli(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run ``wav2tok train --no-track ARGUMENTS``: (exit code, out, err, the `TrainRun`)."""
    from wav2tok.stages import train

    called: list[Any] = []
    monkeypatch.setattr(train, "train", called.append)

    def run(*arguments: str) -> tuple[int, str, str, Any]:
        called.clear()
        monkeypatch.setattr(sys, "argv", ["wav2tok", "train", "--no-track", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            command_line.main()
        code = end.value.code if isinstance(end.value.code, int) else 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err, called[0] if called else None

    return run


@pytest.fixture
def files(here: Path) -> Path:
    classes, plain = [{"a": ["1.wav"]}, {"a": ["2.wav"]}], [["1.wav"], ["2.wav"]]
    for place, content in (("audios.bin", classes), ("plain.bin", plain), ("artifacts/audios.bin", classes)):
        (here / place).parent.mkdir(exist_ok=True)
        (here / place).write_bytes(pickle.dumps(content))
    return here


def test_train_takes_a_published_line(files: Path, cli: Any) -> None:
    code, out, err, called = cli("--out", "new", "--published-args", f"{CASE_1} --device cpu --EPOCHS 3")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "EPOCHS 3 -> train.epochs=3" in lines
    assert [line.startswith("warning: ") for line in lines].count(True) == 1
    assert (called.data, called.out, called.device, called.fresh) == (Path("audios.bin"), Path("new"), "cpu", False)
    config = called.config
    assert (config.profile, config.train.epochs, config.recipe.batch_size) == ("published", 3, 4)


def test_other_options_override_the_line(files: Path, cli: Any) -> None:
    line = "--dataset audios --is_dict False --device cuda:0 --EPOCHS 3 --load_dir Old"
    _, _, err, called = cli("--data", "plain.bin", "--device", "cpu", "--set", "train.epochs=9", "--init-from", "New_5",
                           "--published-args", line)  # fmt: skip
    assert err == ""
    assert (called.data, called.device) == (Path("plain.bin"), "cpu")
    assert (called.config.train.epochs, called.config.train.init_from) == (9, "New_5")


def test_without_a_dataset_the_data_is_the_default(files: Path, cli: Any) -> None:
    _, _, err, called = cli("--published-args", "--is_dict True")
    assert (err, called.data, called.device) == ("", Path("artifacts/audios.bin"), "auto")


def test_init_from_alone(files: Path, cli: Any) -> None:
    for name in ("wav2tok_best", "old/model", "7"):
        _, out, err, called = cli("--init-from", name)
        assert (out, err) == ("", "")
        assert called.config == load(None, [f'train.init_from="{name}"'])
    assert cli()[3].config == Config()


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--published-args", "--epoch 3"], "--published-args: --epoch is not an option"),
    (["--published-args", "--dataset audios --is_dict yep"], "--is_dict yep is neither"),
    (["--published-args", "--dataset audios --is_dict False"], "audios.bin holds a dictionary"),
    (["--published-args", "--dataset plain --is_dict True"], "plain.bin holds a list"),
    (["--published-args", "--dataset plain --is_triplet True"], "--is_triplet"),
    (["--published-args", "--dataset absent --is_dict True"], "absent.bin does not exist"),
    (["--published-args", "--dataset audios --is_dict True", "--data", "plain.bin"], "plain.bin holds a list"),
    (["--published-args", "--dataset audios --is_dict True --EPOCHS 0"], "train.epochs is 0"),
])  # fmt: skip
def test_a_bad_line_ends_with_2_and_one_sentence(arguments: list[str], sentence: str, files: Path, cli: Any) -> None:
    code, _, err, called = cli("--out", "new", *arguments)
    assert (code, called) == (2, None)
    (line,) = err.splitlines()
    assert line.startswith("wav2tok: ")
    assert sentence in line
    assert not (files / "new").exists()
