"""The typed configuration: what it refuses, what it keeps, and that the committed file says the same as the code."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from wav2tok.config import PROFILES, PUBLISHED, STAGED, Config, from_dict, load, to_dict
from wav2tok.errors import UserError

PARAMS = Path(__file__).resolve().parents[1] / "params.yaml"


def flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """{"train.epochs": 12, ...}"""
    if not isinstance(values, dict):
        return {prefix.removesuffix("."): values}
    return {k: v for key, value in values.items() for k, v in flat(value, f"{prefix}{key}.").items()}


def test_the_committed_parameters_are_the_defaults() -> None:
    committed = flat(yaml.safe_load(PARAMS.read_text(encoding="utf-8")))
    defaults = flat(to_dict(Config()))
    absent = "absent"
    differing = {
        key: (committed.get(key, absent), defaults.get(key, absent))
        for key in sorted(committed.keys() | defaults.keys())
        if committed.get(key, absent) != defaults.get(key, absent)
    }
    assert not differing, f"key: (params.yaml, code): {differing}"


def test_the_committed_parameters_load() -> None:
    assert isinstance(load(PARAMS), Config)


def test_round_trip() -> None:
    config = from_dict(
        {"seed": 3, "train": {"recipe": "published", "steps_per_epoch": None}, "evaluate": {"tempos": [0.5]}}
    )
    assert from_dict(to_dict(config)) == config
    assert from_dict(yaml.safe_load(yaml.safe_dump(to_dict(config)))) == config


def test_what_is_silent_keeps_its_default() -> None:
    assert from_dict({}) == Config()
    config = from_dict({"train": {"epochs": 3}, "recipes": {"published": {"batch_size": 7}}})
    assert config.train == dataclasses.replace(Config().train, epochs=3)
    assert config.recipes == {"staged": STAGED, "published": dataclasses.replace(PUBLISHED, batch_size=7)}


def test_a_recipe_of_ones_own_begins_from_the_defaults() -> None:
    config = from_dict({"recipes": {"mine": {"alpha": 0.5}}, "train": {"recipe": "mine"}})
    assert config.recipe == dataclasses.replace(STAGED, alpha=0.5)


@pytest.mark.parametrize("key", ["speed", "train.epoch", "recipes.staged.gamma", "features.mels"])
def test_an_unknown_key_is_named(key: str) -> None:
    values: dict[str, Any] = {}
    *parents, last = key.split(".")
    node = values
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = 1
    with pytest.raises(UserError, match=rf"^{key} is no parameter"):
        from_dict(values)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", "zero"),
        ("seed", True),
        ("seed", 1.0),
        ("train.epochs", 2.5),
        ("train.epochs", None),
        ("train.steps_per_epoch", "all"),
        ("split.test_share", "half"),
        ("split.test_share", True),
        ("features.kind", "mel"),
        ("features.deltas", 1),
        ("features.deltas", "yes please"),
        ("evaluate.tempos", 0.7),
        ("evaluate.tempos", [0.7, "fast"]),
        ("gate.beat", "untrained"),
        ("recipes", []),
        ("recipes.staged", 3),
        ("train", None),
        ("data.path", 3),
        # well-typed, and impossible
        ("train.epochs", 0),
        ("train.steps_per_epoch", 0),
        ("train.recipe", "none"),
        ("codebook.num_tokens", 1),
        ("codebook.cluster_split", 0.0),
        ("codebook.cluster_split", 1.5),
        ("codebook.max_frames", 255),
        ("encoder.dropout", 1.0),
        ("encoder.dropout", -0.1),
        ("encoder.stack", 0),
        ("encoder.stack", -2),
        ("encoder.stack", 1.5),
        ("train.clip_seconds", 0.0),
        ("train.validate_recordings", 1),
        ("split.test_share", 1.0),
        ("split.valid_share", 0.0),
        ("augment.min_tempo", 2.0),
        ("augment.min_tempo", 0.0),
        ("recipes.staged.batch_size", 0),
        ("recipes.staged.temperature", 0.0),
        ("recipes.published.sequence_temperature", -1.0),
        ("recipes.staged.frame_temperature", 0.0),
        ("recipes.staged.contrast_share", 1.1),
        ("recipes.published.contrast_share", 0.5),  # whose recipe has no weight for it
        ("recipes.staged.iter_clust", 0),
        ("recipes.staged.warmup", 1.1),
        ("recipes.staged.schedule_steps", 0),
        ("recipes.staged.triplet_margin", -0.1),
        ("train.clip_seconds", -1.0),
        ("train.name", ""),
        ("train.name", "../elsewhere"),
        ("train.name", ".hidden"),
        ("train.name", "two words"),
        ("train.autosave_epoch", 0),
        ("train.patience", 0),
        ("train.start_epoch", -1),
        ("train.subset_share", 0.0),
        ("train.subset_share", 1.1),
        ("train.mode", "twins"),
        ("augment.share", -0.1),
        ("augment.share", 1.1),
        ("augment.share", float("nan")),
        ("augment.noise_db", -1.0),
        ("augment.views", "anchor"),
        ("encoder.layerdrop", 1.1),
        ("encoder.layerdrop", -0.1),
    ],
)
def test_a_wrong_value_is_named(key: str, value: Any) -> None:
    values: dict[str, Any] = {}
    node = values
    *parents, last = key.split(".")
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = value
    with pytest.raises(UserError) as caught:
        from_dict(values)
    assert ".".join(key.split(".")[-2:] if "temperature" not in key else key.split(".")[:2]) in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (
            {"encoder": {"tiled": True}},
            {"train": {"clip_seconds": None}},
            "encoder.tiled is true and train.clip_seconds",
        ),
        (
            {"train": {"mode": "singles"}},
            {"augment": {"share": 0.0}, "encoder": {"dropout": 0.0}},
            "train.mode is singles with augment.share 0 and encoder.dropout 0",
        ),
        (
            {"train": {"mode": "triplets"}},
            {"recipes": {"staged": {"triplet_weight": 0.0}}},
            "train.mode is triplets and recipes.staged.triplet_weight 0.0",
        ),
    ],
)
def test_values_that_are_good_apart_and_not_together(one: dict[str, Any], other: dict[str, Any], message: str) -> None:
    from_dict(one)
    from_dict(other)
    with pytest.raises(UserError, match=message):
        from_dict({**other, **one})


def test_values_at_the_edge_of_what_is_refused() -> None:
    train = {"subset_share": 1.0, "autosave_epoch": 1, "patience": 1, "start_epoch": 0, "name": "a.B_1-c"}
    from_dict({"train": train, "augment": {"share": 1.0, "noise_db": 0.0}, "encoder": {"layerdrop": 0.0}})
    from_dict({"train": {"mode": "singles"}, "augment": {"share": 0.0, "noise_db": None}})  # dropout is left
    from_dict({"train": {"mode": "singles"}, "encoder": {"dropout": 0.0}})  # augmentation is left


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


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UserError, match=r"broken\.yaml"):
        load(file)


def test_an_override_of_a_section_that_the_file_leaves_empty(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("train:\n")
    assert load(file, ["train.epochs=3"]).train.epochs == 3


def test_every_profile_loads_and_changes_what_it_names() -> None:
    for name in ("speech", "humming", "published"):
        profile = load(None, [f"profile={name}"])
        assert profile.profile == name
        named = flat(yaml.safe_load((PROFILES / f"{name}.yaml").read_text(encoding="utf-8")))
        values = flat(to_dict(profile))
        assert {key: values[key] for key in named} == named
        rest = flat(to_dict(Config()))
        assert {k: v for k, v in values.items() if k not in named and k != "profile"} == {
            k: v for k, v in rest.items() if k not in named and k != "profile"
        }
    assert {path.stem for path in PROFILES.glob("*.yaml")} == {"speech", "humming", "published"}


def test_a_profile_comes_before_the_file_and_an_override_before_both(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("profile: humming\nfeatures: {kind: logmel, hop: 128}\nencoder: {stack: 3, dim: 7}\n")
    config = load(file, ["features.hop=200"])
    assert (config.features.kind, config.features.hop) == ("pitch", 200)
    assert (config.encoder.stack, config.encoder.dim) == (1, 7)
    assert load(file, ["profile=null"]).features.kind == "logmel"
    with pytest.raises(UserError, match="profile is 'opera'; it must be one of speech, humming, published"):
        load(file, ["profile=opera"])


def test_a_configuration_read_back_is_not_profiled_again() -> None:
    config = load(None, ["profile=humming", "features.hop=200"])
    assert from_dict(to_dict(config)) == config
