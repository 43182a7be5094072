"""Lines of the published trainer, and what our parameters become by them."""

from operator import attrgetter
from typing import Any

from wav2tok.config.parameters import load
from wav2tok.config.schema import Config
from wav2tok.published.options import translate

NAMES = [
    "debug", "dataset", "is_dict", "sample_subdataset", "subdata_split", "is_triplet", "is_single", "same_length",
    "apply_augmentation", "batch_size", "EPOCHS", "autosave_epoch", "patience", "name", "epoch_start", "device",
    "learning_rate", "use_scheduler", "train_steps", "warmup", "load_dir", "load_model_epochid", "best_model",
    "use_transformer", "input_dim", "emb_dim", "num_tokens", "num_layers", "mfcc", "cluster_split", "iter_clust",
    "clip", "clip_duration", "sr", "use_cosine", "temp", "alpha", "beta", "is_pairwise",
]  # fmt: skip
CASE_1 = "python3 train.py --dataset audios --is_dict True --is_pairwise True --apply_augmentation True"
CASE_2 = "python3 train.py --dataset audios --is_dict False --is_pairwise True"


def loaded(line: str) -> Config:
    return load(None, translate(line).overrides)


def value(config: Config, key: str) -> Any:
    """The value of ``key``; ``recipes.KEY`` means the recipe that trains."""
    return attrgetter(key.replace("recipes.", "recipe."))(config)
