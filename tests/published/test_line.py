"""A published line: its forms, the documented cases, and what is refused."""

import dataclasses
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.published.lines import CASE_1, CASE_2, NAMES, loaded
from wav2tok.config.parameters import flatten, load
from wav2tok.corpus import audios_bin, recordings
from wav2tok.errors import UserError
from wav2tok.published.options import check, translate

pytestmark = pytest.mark.usefixtures("here")


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


WORDS = st.sampled_from([f"--{name}" for name in NAMES]) | st.text(max_size=12)


@given(st.lists(WORDS, max_size=6).map(" ".join))
def test_any_text_is_translated_or_refused(text: str) -> None:
    try:
        translation = translate(text)
    except UserError:
        return
    assert translation.overrides[0] == "profile=published"
