"""Translate the published trainer's command line into our parameters: ``wav2tok train --published-args "..."``.

`translate` reads such a line by `OPTIONS`, which maps each of its options to ours. An option that the line omits has
its documented default. Where the published documentation and code differ, the documentation counts. The page
``wav2tok/config/profiles/published.md`` holds the same mapping with remarks for users; a test compares the two.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wav2tok.corpus.recordings import Splits
from wav2tok.published.line import Line, Option, Value, parse, refuse, setting

Settings = Mapping[str, Value]
RECIPE = "recipes.published."
COMMAND = {"--data": "artifacts/audios.bin", "--device": "auto"}
"""The options of ``wav2tok train`` that a published option sets, with their defaults."""


def _data(line: Line) -> Settings:
    """NAME.bin in the first place where it exists, of those where users of the published trainer put it."""
    if line["dataset"] is None:
        return {"--data": None}
    name = line["dataset"].removesuffix(".bin") + ".bin"
    places = [Path(name), Path("bin") / name, Path("..") / "bin" / name]
    return {"--data": str(next((place for place in places if os.path.exists(place)), places[0]))}


def _device(line: Line) -> Settings:
    if "device" not in line.given:
        return {"--device": None}
    ours = {"cuda:0": "cuda", "cuda": "cuda", "cpu": "cpu"}
    if line["device"] not in ours:
        raise refuse(f"--device {line['device']} is not available; use cuda:0 or cpu, or omit it.")
    return {"--device": ours[line["device"]]}


def _augmentation(line: Line) -> Settings:
    changed = line["apply_augmentation"] or not line["is_dict"]
    return {"augment.share": 1.0 if changed else 0.0, "augment.views": "partner"}


def _mode(line: Line) -> Settings:
    if line["is_triplet"] and line["is_single"]:
        raise refuse("--is_triplet True and --is_single True exclude each other; omit one.")
    return {"train.mode": "triplets" if line["is_triplet"] else "singles" if line["is_single"] else "pairs"}


def _subset(line: Line) -> Settings:
    return {"train.subset_share": line["subdata_split"] if line["sample_subdataset"] else 1.0}


def _clip(line: Line) -> Settings:
    if line["clip_duration"] <= 0:
        raise refuse(f"--clip_duration {line['clip_duration']} is not a duration; give seconds, such as 3.")
    return {"train.clip_seconds": line["clip_duration"] if line["clip"] else None, "encoder.tiled": line["clip"]}


def _schedule(line: Line) -> Settings:
    kind, warmup = ("linear", line["warmup"]) if line["use_scheduler"] else ("constant", 0.0)
    return {RECIPE + "schedule": kind, RECIPE + "warmup": warmup}


def _encoder(line: Line) -> Settings:
    """A published transformer is as wide as the two directions of the LSTM together."""
    width = line["emb_dim"]
    if width < 2 or width % 2:
        raise refuse(f"--emb_dim {width} is not twice the width of one direction; give an even number, such as 256.")
    kind, dropout = ("transformer", 0.1) if line["use_transformer"] else ("lstm", 0.25)
    return {"encoder.kind": kind, "encoder.dropout": dropout, "encoder.hidden": width // 2}


def _misfit(line: Line) -> bool:
    """Whether ``input_dim`` is the documented 39 although the features are 513 magnitudes."""
    return not line["mfcc"] and line["input_dim"] == 39


def _resumes(line: Line) -> bool:
    """Whether ``load_dir`` names this training itself, to be resumed at ``epoch_start``."""
    return line["epoch_start"] > 0 and line["load_dir"] == line["name"]


def _weights(line: Line) -> Settings:
    name, epoch = line["load_dir"], line["load_model_epochid"]
    if name is None or _resumes(line):
        return {"train.init_from": None}
    if line["epoch_start"] > 0:
        raise refuse(
            f"--epoch_start {line['epoch_start']} resumes the training {line['name']}, and --load_dir {name} starts "
            "from other weights; omit one of them."
        )
    if not line["best_model"] and epoch is None:
        raise refuse(f"--load_dir {name} with --best_model False names no epoch; add --load_model_epochid, such as 5.")
    return {"train.init_from": f"{name}_{'best' if line['best_model'] else epoch}"}


OPTIONS: tuple[Option, ...] = (
    Option("debug", 0, "whole", ("train.debug",), lambda line: {"train.debug": line["debug"] != 0}),
    Option("dataset", None, "text", ("--data",), _data),
    Option("is_dict", False, "flag", ("augment.share",), _augmentation),
    Option("is_pairwise", None, "flag", ()),
    Option("sample_subdataset", False, "flag", ("train.subset_share",), _subset),
    Option("subdata_split", 0.1, "number", ("train.subset_share",), _subset),
    Option("is_triplet", False, "flag", ("train.mode",), _mode),
    Option("is_single", False, "flag", ("train.mode",), _mode),
    Option("same_length", False, "flag", ("train.same_length",)),
    Option("apply_augmentation", False, "flag", ("augment.share", "augment.views"), _augmentation),
    Option("batch_size", 4, "whole", (RECIPE + "batch_size",)),
    Option("EPOCHS", 100, "whole", ("train.epochs",)),
    Option("autosave_epoch", 5, "whole", ("train.autosave_epoch",), aliases=("autosave",)),
    Option("patience", 5, "whole", ("train.patience",)),
    Option("name", "TrialTok", "text", ("train.name",), aliases=("save_dir",)),
    Option("epoch_start", 0, "whole", ("train.start_epoch",)),
    Option("device", "cuda:0", "text", ("--device",), _device),
    Option("learning_rate", 2e-3, "number", (RECIPE + "learning_rate",)),
    Option("use_scheduler", True, "flag", (RECIPE + "schedule",), _schedule),
    Option("train_steps", None, "whole", (RECIPE + "schedule_steps",)),
    Option("warmup", 0.08, "number", (RECIPE + "warmup",), _schedule),
    Option("load_dir", None, "text", ("train.init_from",), _weights),
    Option("load_model_epochid", None, "whole", ("train.init_from",), _weights),
    Option("best_model", True, "flag", ("train.init_from",), _weights),
    Option("use_transformer", False, "flag", ("encoder.kind", "encoder.dropout"), _encoder),
    Option(
        "input_dim",
        39,
        "whole",
        ("encoder.input_dim",),
        lambda line: {"encoder.input_dim": None if _misfit(line) else line["input_dim"]},
    ),
    Option("emb_dim", 256, "whole", ("encoder.hidden",), _encoder),
    Option("num_tokens", 50, "whole", ("codebook.num_tokens",)),
    Option("num_layers", 2, "whole", ("encoder.layers",)),
    Option(
        "mfcc", False, "flag", ("features.kind",), lambda line: {"features.kind": "mfcc" if line["mfcc"] else "stft"}
    ),
    Option("cluster_split", 1.0, "number", ("codebook.cluster_split",)),
    Option("iter_clust", 500, "whole", (RECIPE + "iter_clust",)),
    Option("clip", False, "flag", ("train.clip_seconds", "encoder.tiled"), _clip),
    Option("clip_duration", 3.0, "number", ("train.clip_seconds",), _clip),
    Option("sr", 16000, "whole", ("data.sample_rate",)),
    Option("use_cosine", False, "flag", (RECIPE + "use_cosine",)),
    Option("temp", 0.1, "number", (RECIPE + "temperature",)),
    Option("alpha", 0.01, "number", (RECIPE + "alpha",)),
    Option("beta", 0.01, "number", (RECIPE + "beta",)),
)


@dataclass(frozen=True)
class Translation:
    """A published command line in our terms.

    Attributes:
        data, device: ``--data`` and ``--device``; None if the line does not set them.
        overrides: KEY=VALUE for `wav2tok.config.parameters.load`.
        reports: one line per option, "is_triplet True -> train.mode=triplets".
        warnings: options of the line that have no effect.
        classes, triplets: whether the file must have classes, and whether the training needs them (`check`).
    """

    data: Path | None
    device: str | None
    overrides: tuple[str, ...]
    reports: tuple[str, ...]
    warnings: tuple[str, ...]
    classes: bool
    triplets: bool


def _notes(line: Line) -> dict[str, str]:
    """Remarks in the reports of some options."""
    notes = {"is_dict": f"the file must be a {'dictionary' if line['is_dict'] else 'list'}"}
    if not line["is_dict"]:
        notes["apply_augmentation"] = "recordings without classes always pair with their augmentation"
    if _misfit(line):
        notes["input_dim"] = "the width follows from the features"
    if "device" not in line.given:
        notes["device"] = "as --device says"
    if _resumes(line):
        notes["load_dir"] = "this training itself, which train.start_epoch resumes"
    elif line["load_dir"] is not None and line["best_model"] and line["load_model_epochid"] is not None:
        epoch = line["load_model_epochid"]
        notes["load_model_epochid"] = f"not needed: the published best_{epoch} is {line['load_dir']}_best here"
    return notes


def _warnings(line: Line) -> list[str]:
    """What has no effect in the line."""
    warnings: list[str] = []
    if "is_pairwise" in line.given:
        warnings.append("--is_pairwise is not an option of the published trainer and is ignored; pairs are the default")
    if "input_dim" in line.given and _misfit(line):
        warnings.append("--input_dim 39 fits only --mfcc True and is ignored; the width follows from the features")
    warnings += [
        f"--{name} has no effect without --{needed}"
        for name, needed in (
            ("subdata_split", "sample_subdataset"),
            ("clip_duration", "clip"),
            ("warmup", "use_scheduler"),
            ("train_steps", "use_scheduler"),
            ("load_model_epochid", "load_dir"),
            ("best_model", "load_dir"),
        )
        if name in line.given and not line[needed]
    ]
    epoch, start = line["load_model_epochid"], line["epoch_start"]
    if _resumes(line) and epoch not in (None, start):
        warnings.append(f"--load_model_epochid {epoch} is ignored; --epoch_start {start} names the checkpoint")
    return warnings


def translate(text: str) -> Translation:
    """Read a published command line, with or without its ``python3 train.py``.

    Raises:
        UserError: an unknown option, a wrong value, or options that contradict each other.
    """
    line = parse(text, OPTIONS)
    notes = _notes(line)
    command: dict[str, str] = {}
    overrides = {"profile": "profile=published"}
    reports = []
    for option in OPTIONS:
        ours = dict.fromkeys(option.ours, line[option.name]) if option.becomes is None else option.becomes(line)
        settings = []
        for key in option.ours:
            value = ours[key]
            if key not in COMMAND:
                overrides[key] = setting(key, value)
                settings.append(overrides[key])
            elif value is not None:
                command[key] = str(value)
                settings.append(f"{key} {value}")
        value = "" if line[option.name] is None else f" {line[option.name]}"
        note = f" ({notes[option.name]})" if option.name in notes else ""
        if option.name in line.given or note:
            reports.append(f"{option.name}{value} -> {', '.join(settings) or 'nothing'}{note}")
    return Translation(
        data=Path(command["--data"]) if "--data" in command else None,
        device=command.get("--device"),
        overrides=tuple(overrides.values()),
        reports=tuple(reports),
        warnings=tuple(_warnings(line)),
        classes=line["is_dict"],
        triplets=line["is_triplet"],
    )


def check(translation: Translation, splits: Splits, data: Path) -> None:
    """Refuse a line that contradicts the ``splits`` read from ``data``, which it trains on."""
    classes = splits.train.classes is not None
    if classes and not translation.classes:
        raise refuse(f"{data} holds a dictionary of classes, and --is_dict is False; use --is_dict True.")
    if translation.classes and not classes:
        raise refuse(f"{data} holds a list without classes, and --is_dict is True; omit it.")
    if translation.triplets and not classes:
        raise refuse(f"{data} holds a list without classes, and --is_triplet needs them; omit it.")
