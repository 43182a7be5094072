"""Parameters from a file, a profile and the command line, and which overrides which."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.config.parameters import PROFILES, flatten, from_dict, from_stored, load, to_dict
from wav2tok.config.schema import Config
from wav2tok.errors import UserError

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"


def test_the_committed_parameters_load() -> None:
    assert isinstance(load(PARAMS), Config)


def test_overrides_are_yaml_and_win(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("train:\n  epochs: 4\n  patience: 2\n")
    config = load(file, ["train.epochs=9", "recipes.staged.learning_rate=1e-3", "evaluate.tempos=[0.5, 2]"])
    assert (config.train.epochs, config.train.patience) == (9, 2)
    assert config.recipes["staged"].learning_rate == 1e-3
    assert config.evaluate.tempos == (0.5, 2.0)
    assert load(file, ["train.steps_per_epoch=null"]).train.steps_per_epoch is None


@pytest.mark.parametrize("override", ["train.epochs", "=3", "train.epochs=[", "seed.more=1", "train.epochs=three"])
def test_a_bad_override_is_refused(tmp_path: Path, override: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("seed: 1\n")
    with pytest.raises(UserError):
        load(file, [override])


def test_no_file_means_params_here_or_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load() == Config()
    (tmp_path / "params.yaml").write_text("seed: 5\n")
    assert load().seed == 5
    (tmp_path / "params.yaml").write_text("")
    assert load() == Config()


@pytest.mark.parametrize("text", ["train: [", "- 1\n- 2\n", "just words", "\x00"])
def test_a_broken_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"broken\.yaml"):
        load(file)
    with pytest.raises(UserError, match=r"missing\.yaml does not exist"):
        load(tmp_path / "missing.yaml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UserError, match=r"broken\.yaml"):
        load(file)


def test_an_override_of_a_section_that_the_file_leaves_empty(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("train:\n")
    assert load(file, ["train.epochs=3"]).train.epochs == 3


def test_every_profile_loads_and_changes_what_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no params.yaml
    for name in ("speech", "humming", "general", "published"):
        profile = load(None, [f"profile={name}"])
        assert profile.profile == name
        named = flatten(yaml.safe_load((PROFILES / f"{name}.yaml").read_text(encoding="utf-8")))
        values = flatten(to_dict(profile))
        assert {key: values[key] for key in named} == named
        rest = flatten(to_dict(Config()))
        assert {k: v for k, v in values.items() if k not in named and k != "profile"} == {
            k: v for k, v in rest.items() if k not in named and k != "profile"
        }
    assert {path.stem for path in PROFILES.glob("*.yaml")} == {"speech", "humming", "general", "published"}


def test_a_profile_overrides_the_file_and_an_override_both(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("profile: humming\nfeatures: {kind: logmel, hop: 128}\nencoder: {stack: 3, dim: 7}\n")
    config = load(file, ["features.hop=512"])
    assert (config.features.kind, config.features.hop) == ("contour", 512)
    assert (config.encoder.stack, config.encoder.dim) == (1, 150)
    assert load(file, ["profile=null"]).features.kind == "logmel"
    with pytest.raises(UserError, match="profile is 'opera'; it must be one of speech, humming, general, published"):
        load(file, ["profile=opera"])


def test_reading_a_configuration_back_does_not_apply_its_profile_again() -> None:
    config = load(None, ["profile=humming", "features.hop=512"])
    assert from_dict(to_dict(config)) == config


def test_parameters_of_another_version_are_ignored_and_named(lines: list[str]) -> None:
    config = load(None, ["train.epochs=7", "recipes.staged.alpha=0.25"])
    values = to_dict(config)
    values["schedule"]["work_pool"] = "old"
    values["recipes"]["staged"]["older"] = 1
    values["gone"] = {"a": 1}
    assert from_stored(values, "MODEL") == config
    said, names = lines[0].split(": ")
    assert said == "MODEL was written by another version of wav2tok; ignored"
    assert sorted(names.split(", ")) == ["gone", "recipes.staged.older", "schedule.work_pool"]


@given(st.sampled_from(sorted(flatten(to_dict(Config())))))
def test_an_unknown_parameter_beside_any_other_is_ignored(key: str) -> None:
    values = to_dict(Config())
    section = values
    for part in key.split(".")[:-1]:
        section = section[part]
    section["unknown"] = 1
    assert from_stored(values, "MODEL") == Config()


def test_a_stored_value_that_is_not_taken_names_its_source() -> None:
    with pytest.raises(
        UserError, match=r"^MODEL does not fit this version .*: train\.epochs is -1; .*; train again\.$"
    ):
        from_stored({"train": {"epochs": -1}}, "MODEL")


def test_a_configuration_of_another_program_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"^MODEL is not a configuration of wav2tok \(architectures is not a parameter\)"
    ):
        from_stored({"architectures": ["BertModel"]}, "MODEL")
