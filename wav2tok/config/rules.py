"""What a configuration must not say, though every value has its type."""

import dataclasses
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from wav2tok.errors import UserError

if TYPE_CHECKING:
    from wav2tok.config.schema import Config


def check(config: "Config") -> "Config":
    """Refuse values that are well-typed and still cannot be meant."""

    def require(good: bool, what: str) -> None:
        if not good:
            raise UserError(what)

    require(
        config.train.recipe in config.recipes,
        f"train.recipe is {config.train.recipe!r}; recipes has: {', '.join(config.recipes)}.",
    )
    require(config.train.epochs >= 1, f"train.epochs is {config.train.epochs}; it must be at least 1.")
    steps = config.train.steps_per_epoch
    require(steps is None or steps >= 1, f"train.steps_per_epoch is {steps}; it must be at least 1, or null.")
    require(
        config.codebook.num_tokens >= 2, f"codebook.num_tokens is {config.codebook.num_tokens}; it must be at least 2."
    )
    require(
        0 < config.codebook.cluster_split <= 1,
        f"codebook.cluster_split is {config.codebook.cluster_split}; it must be in (0, 1].",
    )
    for name, least, value in (
        ("codebook.max_frames", config.codebook.num_tokens, config.codebook.max_frames),
        ("train.validate_recordings", 2, config.train.validate_recordings),
    ):
        require(value >= least, f"{name} is {value}; it must be at least {least}.")
    require(
        0 <= config.encoder.dropout <= 0.95, f"encoder.dropout is {config.encoder.dropout}; it must be in [0, 0.95]."
    )
    for key in ("hidden", "layers", "dim", "stack", "heads", "ffn", "position_kernel", "position_groups"):
        size = getattr(config.encoder, key)
        require(size >= 1, f"encoder.{key} is {size}; it must be at least 1.")
    require(config.data.sample_rate >= 1, f"data.sample_rate is {config.data.sample_rate}; it must be positive, in Hz.")
    _check_training(config, require)
    require(
        config.features.n_fft % 2 == 0 and 0 < config.features.hop <= config.features.n_fft,
        f"features.n_fft is {config.features.n_fft} and features.hop {config.features.hop}; "
        "n_fft must be even and hop positive and no larger.",
    )
    for name, share in (("split.test_share", config.split.test_share), ("split.valid_share", config.split.valid_share)):
        require(0 < share < 1, f"{name} is {share}; it must be between 0 and 1.")
    require(
        0 < config.augment.min_tempo <= config.augment.max_tempo,
        f"augment.min_tempo is {config.augment.min_tempo}; it must be positive and at most augment.max_tempo.",
    )
    asked = config.evaluate
    for tempo in asked.tempos:
        require(tempo > 0 and tempo != 1, f"evaluate.tempos has {tempo}; a tempo is positive and not 1.")
    for step in asked.semitones:
        require(step != 0, "evaluate.semitones has 0, which shifts nothing; leave it out.")
    for name in ("tempos", "semitones", "snr_db"):
        given = getattr(asked, name)
        require(len(set(given)) == len(given), f"evaluate.{name} names a value twice; leave one out.")
    require(
        "all" not in asked.baselines or len(asked.baselines) == 1,
        "evaluate.baselines has 'all' beside others; name either all or some.",
    )
    for name, number in (("curve_queries", asked.curve_queries), ("bootstrap", asked.bootstrap)):
        require(number >= 0, f"evaluate.{name} is {number}; it must not be negative.")
    for name, recipe in config.recipes.items():
        require(
            recipe.stretch_seconds > 0,
            f"recipes.{name}.stretch_seconds is {recipe.stretch_seconds}; it must be positive.",
        )
        require(recipe.batch_size >= 1, f"recipes.{name}.batch_size is {recipe.batch_size}; it must be at least 1.")
        require(
            min(recipe.temperature, recipe.sequence_temperature, recipe.frame_temperature) > 0,
            f"recipes.{name} has a temperature that is not positive.",
        )
        require(
            0 <= recipe.contrast_share <= 1,
            f"recipes.{name}.contrast_share is {recipe.contrast_share}; it must be in [0, 1].",
        )
        require(
            recipe.contrast_share == 0 or recipe.sequence_weight > 0 or recipe.frame_weight > 0,
            f"recipes.{name}.contrast_share is {recipe.contrast_share}, but neither sequence_weight nor frame_weight "
            "is positive; set one of them, or contrast_share to 0.",
        )
        require(recipe.iter_clust >= 1, f"recipes.{name}.iter_clust is {recipe.iter_clust}; it must be at least 1.")
        require(0 <= recipe.warmup <= 1, f"recipes.{name}.warmup is {recipe.warmup}; it must be in [0, 1].")
        steps = recipe.schedule_steps
        require(
            steps is None or steps >= 1, f"recipes.{name}.schedule_steps is {steps}; it must be at least 1, or null."
        )
        require(
            recipe.learning_rate > 0, f"recipes.{name}.learning_rate is {recipe.learning_rate}; it must be positive."
        )
        for key, weight in dataclasses.asdict(recipe).items():
            if key.endswith(("_weight", "_margin")) or key in ("alpha", "beta", "weight_decay"):
                require(weight >= 0, f"recipes.{name}.{key} is {weight}; it must not be negative.")
    return config


def _check_training(config: "Config", require: Callable[[bool, str], None]) -> None:
    """What ``train`` must not say by itself, and beside the other sections."""
    train, encoder, recipe = config.train, config.encoder, config.recipe
    clip, name, noise = train.clip_seconds, train.name, config.augment.noise_db
    require(
        clip is None or clip > 0, f"train.clip_seconds is {clip}; it must be positive, or null for whole recordings."
    )
    require(
        clip is not None or not encoder.tiled,
        "encoder.tiled is true and train.clip_seconds null, so that tiles have no length; set one of them.",
    )
    require(
        re.fullmatch(r"\w[\w.-]*", name) is not None,
        f"train.name is {name!r}; it names files, so letters, digits, _, - and . are what it can have.",
    )
    for key, value in (("autosave_epoch", train.autosave_epoch), ("patience", train.patience)):
        require(value >= 1, f"train.{key} is {value}; it must be at least 1.")
    require(
        0 <= train.start_epoch <= train.epochs,
        f"train.start_epoch is {train.start_epoch}; it must be from 0 to train.epochs, {train.epochs}.",
    )
    require(0 < train.subset_share <= 1, f"train.subset_share is {train.subset_share}; it must be in (0, 1].")
    require(0 <= config.augment.share <= 1, f"augment.share is {config.augment.share}; it must be in [0, 1].")
    require(noise is None or noise >= 0, f"augment.noise_db is {noise}; it must not be negative; null is no noise.")
    require(0 <= encoder.layerdrop <= 1, f"encoder.layerdrop is {encoder.layerdrop}; it must be in [0, 1].")
    require(
        train.mode != "singles" or config.augment.share > 0 or encoder.dropout > 0,
        "train.mode is singles with augment.share 0 and encoder.dropout 0, so that both views would be the same; "
        "raise one of them.",
    )
    require(
        train.mode != "triplets" or recipe.triplet_weight > 0,
        f"train.mode is triplets and recipes.{train.recipe}.triplet_weight {recipe.triplet_weight}, so that negatives "
        "would not be heard; raise it or use pairs.",
    )
