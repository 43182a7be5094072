"""Verbs on recordings: sample, synthesize, ingest, validate, accept, split."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from wav2tok.cli.options import Out, Params, Sets
from wav2tok.errors import UserError
from wav2tok.extras import need
from wav2tok.files import alone, locked


def sample(
    out: Annotated[Path, typer.Argument(help="The folder to write; it must be empty or absent.")] = Path("data"),
    seed: Annotated[int, typer.Option(max=2**32 - 1, help="Another seed gives another corpus.")] = 0,
    melodies: Annotated[int, typer.Option(max=10_000, help="Number of classes.")] = 24,
    singers: Annotated[int, typer.Option(max=10_000, help="Recordings per class.")] = 10,
) -> None:
    """Synthesize a corpus of hummed melodies: OUT/MELODY/SINGER_TAKE.flac."""
    from wav2tok.sample.corpus import make

    make(out, seed=seed, melodies=melodies, singers=singers)


def synthesize(
    out: Annotated[Path, typer.Option("--out", help="The folder to write; it must be empty or absent.")] = Path(
        "spoken"
    ),
    words: Annotated[int, typer.Option(max=100_000, help="Number of classes.")] = 400,
    voices: Annotated[int, typer.Option(max=1_000, help="Recordings per class.")] = 6,
    seed: Annotated[int, typer.Option(max=2**32 - 1, help="Another seed gives other words.")] = 0,
) -> None:
    """Synthesize spoken pseudo-words with espeak-ng, for split --also: OUT/WORD/VOICE_N.flac."""
    from wav2tok.sample.speech import make

    make(out, words=words, voices=voices, seed=seed)


def validate(
    folder: Annotated[Path, typer.Argument(help="The recordings.")],
    out: Out = Path("artifacts/validation"),
    expectations: Annotated[
        Path | None, typer.Option(help="Expectations of your own; by default expectations.yaml, if it exists.")
    ] = None,
    accepted: Annotated[
        Path | None, typer.Option(help="What accept wrote; by default accepted.csv, if it exists.")
    ] = None,
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Measure every recording, judge the corpus, and write a manifest and Data Docs."""
    need("workflow", "great_expectations", "pandas", "pydantic", "yaml")
    from wav2tok.config import parameters
    from wav2tok.stages.validate import validate as stage

    stage(folder, out, parameters.load(params, sets or ()), expectations, accepted)


def accept(
    validation: Annotated[Path, typer.Option(help="What validate wrote.")] = Path("artifacts/validation"),
    out: Out = Path("accepted.csv"),
) -> None:
    """Accept the data that validate judged: it is what later data is compared with."""
    need("workflow", "pydantic")
    from wav2tok.stages.accept import accept as stage

    with alone(out):
        stage(validation, out)


def ingest(
    inbox: Annotated[
        Path, typer.Argument(help="The folder in which recordings arrive, with a folder per class.")
    ] = Path("inbox"),
    quarantine: Annotated[Path, typer.Option(help="Where recordings go that fail a check.")] = Path("quarantine"),
    out: Out = Path("artifacts/ingest.json"),
    settle: Annotated[
        float, typer.Option(min=0, max=86400, help="Leave files that changed less than this many seconds ago.")
    ] = 10.0,
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Check recordings that arrived with the corpus; move the good into it, and the others to the quarantine."""
    need("workflow", "great_expectations", "pandas", "pydantic", "yaml")
    from wav2tok.config import parameters
    from wav2tok.stages.ingest import ingest as stage

    config = parameters.load(params, sets or ())
    with alone(out), locked(inbox) if inbox.is_dir() else nullcontext():
        stage(inbox, quarantine, out, config, settle)


def split(
    folder: Annotated[
        Path, typer.Argument(help="The recordings: one folder per class, or all in one folder for a list.")
    ],
    out: Out = Path("audios.bin"),
    manifest: Annotated[
        Path | None, typer.Option(help="The manifest.csv that validate wrote; the unreadable files in it are omitted.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="dict (one folder per class) or list (no classes); overrides split.kind.")
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            help="What keeps recordings in the same part: prefix (file name up to the first _), column (group, in the "
            "manifest) or none; overrides split.group_by."
        ),
    ] = None,
    test_groups: Annotated[str | None, typer.Option(help="The groups of the test part, as A,B,...")] = None,
    test_classes: Annotated[
        str | None, typer.Option(help="The classes of the test part, as A,B,...; training sees none of them.")
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(help="More training recordings of any kind; each pairs with its own augmentation."),
    ] = None,
    only_test: Annotated[
        bool, typer.Option("--only-test", help="All of FOLDER is the test part; training uses only what --also names.")
    ] = False,
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Split a corpus into training, validation and test recordings: audios.bin, and audios.json with their groups."""
    need("train", "pydantic", "yaml")
    from wav2tok.config import parameters
    from wav2tok.stages.split import split as stage

    groups, classes = _names(test_groups, "test_groups"), _names(test_classes, "test_classes")
    chosen = [f"split.{key}={value}" for key, value in (("kind", kind), ("group_by", group_by)) if value is not None]
    config = parameters.load(params, [*(sets or ()), *chosen])
    if groups and config.split.group_by == "none":
        config = parameters.load(params, [*(sets or ()), *chosen, "split.group_by=prefix"])
    with alone(out):
        stage(
            folder,
            out,
            config,
            manifest=manifest,
            test_groups=groups,
            test_classes=classes,
            also=also or (),
            only_test=only_test,
        )


def _names(text: str | None, option: str) -> list[str]:
    """The names in A,B,...; none if the option is not given.

    Raises:
        UserError: it is given and holds none, so that a share would be the test in silence.
    """
    names = [name for name in (text or "").split(",") if name]
    if text is not None and not names:
        raise UserError(f"{text!r} names nothing; write A,B,... or leave the option out.", option)
    return names
