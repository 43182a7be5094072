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
    folder: Annotated[Path, typer.Argument(help="The recordings, in a folder a class, or all in one for a list.")],
    out: Out = Path("audios.bin"),
    manifest: Annotated[
        Path | None, typer.Option(help="manifest.csv of validate: its unreadable files are left out.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="dict (a class a folder) or list (no classes); split.kind.")] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            help="prefix (file name up to the first _), column (group, in the "
            "manifest) or none: groups stand on one side only; split.group_by."
        ),
    ] = None,
    test_groups: Annotated[str | None, typer.Option(help="The groups that are the test, as A,B,...")] = None,
    test_classes: Annotated[
        str | None, typer.Option(help="The classes that are the test, as A,B,...; none is heard in training.")
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(help="Further recordings for training, whatever they are; each pairs with its augmentation."),
    ] = None,
    only_test: Annotated[
        bool, typer.Option("--only-test", help="All of FOLDER is the test; training hears what --also names, no more.")
    ] = False,
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Cut a corpus into training, validation and test recordings: audios.bin."""
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
