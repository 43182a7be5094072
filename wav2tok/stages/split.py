"""Divide a corpus into training, validation and test recordings: what ``wav2tok split`` does."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from wav2tok.audio.find import identity
from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin, splits
from wav2tok.corpus.among import warn_among
from wav2tok.corpus.cut import names
from wav2tok.corpus.digests import contents
from wav2tok.corpus.layout import doubtful
from wav2tok.corpus.listing import listing
from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError
from wav2tok.progress import counted, log

SHOWN = 8
"""Never-heard classes that are named."""


def split(
    folder: Path,
    out: Path,
    config: Config,
    *,
    manifest: Path | None = None,
    test_groups: Sequence[str] = (),
    test_classes: Sequence[str] = (),
    also: Sequence[Path] = (),
    only_test: bool = False,
) -> None:
    """Write ``audios.bin``, and next to it ``audios.json`` with each recording's group, length and digest.

    If that ``audios.json`` is there already and was written by the same rule (seed, shares, groups), every recording in
    it stays in its part, and only new ones are assigned.

    Args:
        folder: the recordings.
        out: the ``audios.bin`` to write; the other file has its name with the suffix ``.json``.
        config: ``split`` and ``seed`` decide how.
        manifest: written by ``validate``. Files that it could not read are left out, and the groups (by column),
            lengths and digests are its own.
        test_groups, test_classes: names of the groups and classes to test on, in place of a share.
        also: folders with further recordings for training.
        only_test: all of ``folder`` is the test, and training has only ``also``.

    Raises:
        UserError: there are no recordings, or they cannot be divided in this way.
    """
    recordings = listing(folder, config.split, manifest)
    rule = asdict(config.split) | {
        "seed": config.seed,
        "test_groups": sorted(test_groups),
        "test_classes": sorted(test_classes),
        "only_test": only_test,
    }
    former = audios_bin.former(out, rule)
    others = Recordings(())
    for more in also:
        found = listing(more, replace(config.split, kind="list", group_by="none"), None)
        others += _new(found, more, recordings + others)
    if only_test:
        if test_groups or test_classes:
            raise UserError("the test is all of the folder already; name no test groups or classes.", "only_test")
        if not len(others):
            raise UserError("nothing is left to train on; name folders with further recordings.", "also")
        result = splits.all_for_test(recordings, others, config.split.valid_share, config.seed)
    else:
        result = splits.split(
            recordings,
            test_share=config.split.test_share,
            valid_share=config.split.valid_share,
            seed=config.seed,
            group=config.split.group_by != "none",
            test_groups=test_groups,
            test_classes=test_classes,
            unheard_classes=config.split.unheard_classes,
            folder=folder,
            former=former,
        )
        result = splits.add_to_training(result, others)
    warn_among(out, recordings, others)
    audios_bin.write(out, result, folder, rule)
    if former:
        stay = sum(name in former for name in names(recordings.paths, folder))
        log.info(f"{stay} of {counted(len(recordings), 'recording')} stay in the part that they had in {out}")
    labels = "" if recordings.classes is None else f"{counted(len(set(recordings.classes)), 'class')} and "
    what = f"{counted(len(recordings), 'recording')} of {labels}{counted(len(set(recordings.groups)), 'group')}"
    called = names(recordings.paths, folder)
    folders = {name.partition("/")[0] for name in called if "/" in name}
    if recordings.classes is None and len(folders) > 1:
        log.info(
            f"split.kind is list, so the {len(folders)} folders of {folder} are not used as classes; dict uses them"
        )
    for sentence in doubtful(called, recordings.classes, recordings.groups, config.split.group_by):
        log.warning(sentence)
    more_text = f" and {len(others)} others for training" if len(others) else ""
    log.info(
        f"{what}{more_text}: {len(result.train)} train, {len(result.valid)} validate, {len(result.test)} test; {out}"
    )
    never = sorted(set(result.test.classes or ()) - set(result.train.classes or ()))
    if never and not only_test:
        shown = ", ".join(never[:SHOWN]) + ", ..." * (len(never) > SHOWN)
        log.info(
            f"training never hears {len(never)} of the {len(set(result.test.classes or ()))} test classes: {shown}"
        )


def _new(more: Recordings, folder: Path, known: Recordings) -> Recordings:
    """``more`` of a folder without the files that are among the ``known`` ones, or are copies of them."""
    files, copies = {identity(path) for path in known.paths}, {*contents(known)}
    kept = more.take(
        i
        for i, (path, content) in enumerate(zip(more.paths, contents(more), strict=True))
        if identity(path) not in files and content not in copies
    )
    if len(kept) < len(more):
        log.warning(
            f"{counted(len(more) - len(kept), 'recording')} of {folder} left out of training: in the split already, or "
            "copies of such"
        )
    return kept
