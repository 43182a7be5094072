"""The typed configuration: what it refuses, what it keeps, and what the committed file and the profiles say."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers import changed
from wav2tok.config.parameters import PROFILES, flatten, from_dict, load, to_dict
from wav2tok.config.schema import PUBLISHED, STAGED, Config
from wav2tok.errors import UserError

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"


OF_THE_SAMPLE = {
    "features": {"kind": "contour", "hop": 1024},
    "encoder": {"kind": "linear", "dim": 150, "stack": 1, "context": 2, "context_step": 2},
    "codebook": {"num_tokens": 256},
    "train": {"epochs": 8, "steps_per_epoch": 30},
    "recipes": {"staged": {"learning_rate": 5e-4, "contrast_share": 1.0}},
    "gate": {"beat": ["kmeans_logmel", "logmel_dtw"]},
}
"""What is best for the sample corpus, and not a default."""


def test_the_committed_file_names_every_parameter_and_differs_from_the_defaults_for_the_sample_alone() -> None:
    committed = flatten(yaml.safe_load(PARAMS.read_text(encoding="utf-8")))
    defaults = flatten(to_dict(Config()))
    assert committed.keys() == defaults.keys()
    assert {key: value for key, value in committed.items() if value != defaults[key]} == flatten(OF_THE_SAMPLE)


@pytest.mark.parametrize("profile", sorted(path.stem for path in PROFILES.glob("*.yaml")))
def test_a_profile_means_the_same_over_the_committed_file_as_over_the_defaults(profile: str, tmp_path: Path) -> None:
    """But for what is not used: other recipes than its own, and all of training where there are no epochs."""
    (tmp_path / "empty.yaml").write_text("")
    over = [load(path, [f"profile={profile}"]) for path in (PARAMS, tmp_path / "empty.yaml")]
    used = []
    for config in over:
        values = to_dict(dataclasses.replace(config, recipes={config.train.recipe: config.recipe}))
        used.append({k: v for k, v in values.items() if k not in ("train", "recipes") or config.train.epochs > 0})
    assert used[0] == used[1]


def test_the_profile_general_is_the_defaults() -> None:
    assert load(PARAMS, ["profile=general"]) == dataclasses.replace(Config(), profile="general")


def test_round_trip() -> None:
    config = from_dict(
        {"seed": 3, "train": {"recipe": "published", "steps_per_epoch": None}, "evaluate": {"tempos": [0.5]}}
    )
    assert from_dict(to_dict(config)) == config
    assert from_dict(yaml.safe_load(yaml.safe_dump(to_dict(config)))) == config


def test_omitted_values_keep_their_defaults() -> None:
    assert from_dict({}) == Config()
    config = from_dict({"train": {"epochs": 3}, "recipes": {"published": {"batch_size": 7}}})
    assert config.train == dataclasses.replace(Config().train, epochs=3)
    assert config.recipes == {"staged": STAGED, "published": dataclasses.replace(PUBLISHED, batch_size=7)}


def test_a_new_recipe_starts_from_the_defaults() -> None:
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
    with pytest.raises(UserError, match=rf"^{key} is not a parameter"):
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
        ("codebook.max_frames", 159),
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
        ("augment.contour", 1.1),
        ("augment.contour", -0.1),
        ("augment.contour_changes", ["trills"]),
        ("augment.contour_changes", ["notes", "notes"]),
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
            {"features": {"kind": "mfcc"}},
            {"features": {"kind": "contour", "hop": 1024}, "augment": {"contour": 0.5}},
            "augment.contour is 0.5.*features.kind is mfcc",
        ),
        (
            {"train": {"mode": "triplets"}},
            {"recipes": {"staged": {"triplet_weight": 0.0}}},
            "train.mode is triplets and recipes.staged.triplet_weight 0.0",
        ),
    ],
)
def test_values_that_contradict_each_other(one: dict[str, Any], other: dict[str, Any], message: str) -> None:
    from_dict(one)
    from_dict(other)
    with pytest.raises(UserError, match=message):
        from_dict({**other, **one})


def test_values_at_their_bounds() -> None:
    train = {"subset_share": 1.0, "autosave_epoch": 1, "patience": 1, "start_epoch": 0, "name": "a.B_1-c"}
    from_dict({"train": train, "augment": {"share": 1.0, "noise_db": 0.0}, "encoder": {"layerdrop": 0.0}})
    from_dict({"train": {"mode": "singles"}, "augment": {"share": 0.0, "noise_db": None}})  # dropout is left
    from_dict({"train": {"mode": "singles"}, "encoder": {"dropout": 0.0}})  # augmentation is left


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"encoder": {"whitening": True}}, "encoder.whitening is true"),
        ({"encoder": {"context": 2}}, "encoder.context is more than 0"),
        ({"train": {"epochs": 0}}, "train.epochs is 0"),
    ],
)
def test_what_is_for_linear_encoders_is_refused_for_others(values: dict[str, dict[str, object]], what: str) -> None:
    with pytest.raises(UserError, match=f"{what}, which needs a linear encoder, and encoder.kind is sru"):
        changed(Config(), **values)
    linear = {"kind": "linear"} | values.get("encoder", {})
    assert changed(Config(), **values | {"encoder": linear}).encoder.kind == "linear"


def test_replacing_a_value_validates_it() -> None:
    with pytest.raises(ValueError, match="patience"):
        dataclasses.replace(Config().train, patience=0)
    with pytest.raises(ValueError, match=r"train\.recipe is 'mine'"):
        dataclasses.replace(Config(), train=dataclasses.replace(Config().train, recipe="mine"))
