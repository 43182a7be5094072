"""Verbs on recordings: sample, validate, split."""

from pathlib import Path
from typing import Annotated

import typer

from wav2tok.cli.options import Out, Params, Sets


def sample(
    out: Annotated[Path, typer.Argument(help="The folder to make; it must be empty or absent.")] = Path("data"),
    seed: Annotated[int, typer.Option(help="Another seed sings another corpus.")] = 0,
    melodies: Annotated[int, typer.Option(help="Classes.")] = 24,
    singers: Annotated[int, typer.Option(help="Recordings of each.")] = 10,
) -> None:
    """Sing a synthetic corpus of hummed melodies: OUT/MELODY/SINGER_TAKE.flac."""
    from wav2tok.sample.corpus import make

    make(out, seed=seed, melodies=melodies, singers=singers)


def validate(
    folder: Annotated[Path, typer.Argument(help="The recordings.")],
    out: Out = Path("artifacts/validation"),
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Measure every recording and judge the corpus; writes a manifest and Data Docs."""
    from wav2tok.config import parameters
    from wav2tok.stages.validate import validate as stage

    stage(folder, out, parameters.load(params, sets or ()))


def split(
    folder: Annotated[Path, typer.Argument(help="The recordings, one folder per class or all in one.")],
    out: Out = Path("audios.bin"),
    manifest: Annotated[
        Path | None,
        typer.Option(help="manifest.csv of validate; omits unreadable files."),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="dict (one folder per class) or list; sets split.kind.")] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            help="prefix (file name up to the first _), column (group, in the "
            "manifest) or none: no group is in two parts; sets split.group_by."
        ),
    ] = None,
    test_groups: Annotated[str | None, typer.Option(help="The groups to test on, as A,B,...")] = None,
    test_classes: Annotated[
        str | None, typer.Option(help="The classes to test on, as A,B,...; training has none of them.")
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(help="Any further recordings for training; each is paired with its augmentation."),
    ] = None,
    only_test: Annotated[
        bool, typer.Option("--only-test", help="All of FOLDER is the test; training has only what --also names.")
    ] = False,
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Divide a corpus into training, validation and test recordings: audios.bin, and audios.json with their groups."""
    from wav2tok.config import parameters
    from wav2tok.stages.split import split as stage

    wanted, classes = ([name for name in (text or "").split(",") if name] for text in (test_groups, test_classes))
    given = [f"split.{key}={value}" for key, value in (("kind", kind), ("group_by", group_by)) if value is not None]
    config = parameters.load(params, [*(sets or ()), *given])
    if wanted and config.split.group_by == "none":
        config = parameters.load(params, [*(sets or ()), *given, "split.group_by=prefix"])
    stage(
        folder,
        out,
        config,
        manifest=manifest,
        test_groups=wanted,
        test_classes=classes,
        also=also or (),
        only_test=only_test,
    )
