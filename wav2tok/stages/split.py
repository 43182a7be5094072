"""Divide a corpus into training, validation and test recordings: what ``wav2tok split`` does."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin, splits
from wav2tok.corpus.listing import listing
from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError
from wav2tok.progress import log


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
    """Write ``audios.bin``.

    Args:
        manifest: what validate wrote; files that it could not read are left out.
        test_groups, test_classes: which are the test, instead of a share.
        also: folders with further recordings for training.
        only_test: all of ``folder`` is the test; training has ``also`` alone.
    """
    recordings, groups = listing(folder, config.split, manifest)
    added = [listing(more, replace(config.split, kind="list"), None)[0] for more in also]
    others = Recordings(tuple(path for part in added for path in part.paths))
    if only_test:
        if not len(others) or test_groups or test_classes:
            raise UserError("--only-test needs --also DIR to train on, and neither --test-groups nor --test-classes.")
        result = splits.foreign(recordings, others, config.split.valid_share, config.seed)
    else:
        result = splits.split(
            recordings,
            test_share=config.split.test_share,
            valid_share=config.split.valid_share,
            seed=config.seed,
            group=config.split.group_by != "none",
            test_groups=test_groups,
            test_classes=test_classes,
            groups=groups,
        )
        result = splits.joined(result, others)
    audios_bin.write(out, result)
    what = "recordings" if recordings.classes is None else f"recordings of {len(set(recordings.classes))} classes"
    more = f" and {len(others)} others for training" if len(others) else ""
    log.info(
        f"{len(recordings)} {what}{more}: {len(result.train)} train, {len(result.valid)} validate, "
        f"{len(result.test)} test; {out}"
    )
