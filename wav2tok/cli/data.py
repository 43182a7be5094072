"""Verbs on recordings: sample, validate, split."""

from pathlib import Path
from typing import Annotated

import typer

from wav2tok.cli.options import Out, Params, Sets, counter, say


def sample(
    out: Annotated[Path, typer.Argument(help="The folder to make; it must be empty or absent.")] = Path("data"),
    seed: Annotated[int, typer.Option(help="Another seed sings another corpus.")] = 0,
    melodies: Annotated[int, typer.Option(help="Classes.")] = 24,
    singers: Annotated[int, typer.Option(help="Recordings of each.")] = 10,
) -> None:
    """Sing a synthetic corpus of hummed melodies: OUT/MELODY/SINGER_TAKE.flac."""
    from wav2tok.sample.corpus import make

    make(out, seed=seed, melodies=melodies, singers=singers, progress=counter(f"singing {out}"))


def validate(
    folder: Annotated[Path, typer.Argument(help="The recordings.")],
    out: Out = Path("artifacts/validation"),
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Measure every recording and judge the corpus; writes a manifest and Data Docs."""
    from wav2tok import parameters
    from wav2tok.corpus.validation import validate as judge
    from wav2tok.extras import need

    need("workflow", "great_expectations", "pandas")
    report = judge(folder, out, parameters.load(params, sets or ()), counter("measuring"))
    for warning in report.warnings:
        say(f"warning: {warning}")
    summary = report.summary
    say(
        f"{summary['recordings']} recordings of {summary['classes']} classes, "
        f"{summary['hours']:.2f} hours; manifest {out / 'manifest.csv'}, Data Docs {report.docs}"
    )


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
    from dataclasses import replace

    from wav2tok import parameters
    from wav2tok.corpus import splits
    from wav2tok.corpus.listing import listing
    from wav2tok.errors import UserError

    given = [f"split.{key}={value}" for key, value in (("kind", kind), ("group_by", group_by)) if value is not None]
    settings = parameters.load(params, [*(sets or ()), *given])
    recordings, groups = listing(folder, settings.split, manifest)
    wanted, classes = ([name for name in (text or "").split(",") if name] for text in (test_groups, test_classes))
    if wanted and settings.split.group_by == "none":
        settings = parameters.load(params, [*(sets or ()), *given, "split.group_by=prefix"])
    added = [listing(more, replace(settings.split, kind="list"), None)[0] for more in also or ()]
    others = splits.Recordings(tuple(path for part in added for path in part.paths))
    if only_test:
        if not len(others) or wanted or classes:
            raise UserError("--only-test needs --also DIR to train on, and neither --test-groups nor --test-classes.")
        result = splits.foreign(recordings, others, settings.split.valid_share, settings.seed)
    else:
        result = splits.split(
            recordings,
            test_share=settings.split.test_share,
            valid_share=settings.split.valid_share,
            seed=settings.seed,
            group=settings.split.group_by != "none",
            test_groups=wanted,
            test_classes=classes,
            groups=groups,
        )
        result = splits.joined(result, others)
    splits.write(out, result)
    assert result.valid is not None
    what = "recordings" if recordings.classes is None else f"recordings of {len(set(recordings.classes))} classes"
    more = f" and {len(others)} others for training" if len(others) else ""
    say(
        f"{len(recordings)} {what}{more}: {len(result.train)} train, {len(result.valid)} validate, "
        f"{len(result.test)} test; {out}"
    )
