"""An inbox: recordings that arrive are judged with the corpus; good ones are taken in, others are put aside.

The checks are those of ``wav2tok validate``, on the manifest of the corpus and of the inbox together. What is taken in
is also compared with the corpus (`wav2tok.corpus.moved`), which keeps nothing out. Nothing is deleted: a recording that
fails goes to a quarantine folder, and ``reasons.jsonl`` there says why.
"""

import dataclasses
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wav2tok import temporary
from wav2tok.config.schema import Config
from wav2tok.corpus import accepted, manifest, moved, validation
from wav2tok.corpus.checks import checks, frame
from wav2tok.corpus.expectations import comparisons, suite
from wav2tok.corpus.manifest import Entry
from wav2tok.corpus.moved import Comparison
from wav2tok.errors import UserError
from wav2tok.files import make_folder, replacing

_CLOCKS = 86_400.0
"""Seconds by which clocks may differ: a file from further ahead has a wrong date, and would wait for ever."""
REASONS_FILE = "reasons.jsonl"
"""In the quarantine folder: a line ``{"path", "reasons", "time"}`` for every recording that was put there."""
_KEEP_OUT = {"unreadable", "duplicate", "copy", "copy_across_classes"}
_OF_THE_CORPUS = {"too_many_unreadable"}
"""Warnings of a corpus that keep a new recording out all the same, and what no single recording fails."""


@dataclass(frozen=True)
class Judgement:
    """What becomes of the recordings of an inbox, by paths relative to it, in order.

    Attributes:
        good: to be taken in.
        bad: to be put aside, with the reasons.
        known: in the corpus already, under the same name and byte for byte.
        waiting: changed a moment ago, so perhaps not yet complete.
        compared: the good ones with the corpus; None if there are none.
    """

    good: tuple[str, ...] = ()
    bad: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    known: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    compared: Comparison | None = None


def judge(inbox: Path, corpus: Path, config: Config, settle: float) -> Judgement:
    """Judge the recordings of an inbox without moving them.

    Args:
        inbox: CLASS/GROUP_TAKE.flac like the corpus.
        corpus: the folder that they are to go into.
        settle: seconds for which a file must not have changed.

    Raises:
        UserError: ``inbox`` is not a folder, is the corpus, or one of the two is in the other.
    """
    if not inbox.is_dir():
        raise UserError(f"{inbox} is not a folder; name the folder in which recordings arrive.", "inbox")
    if inbox.resolve() == corpus.resolve():
        raise UserError(f"{inbox} is the corpus itself; name the folder in which recordings arrive.", "inbox")
    if {inbox.resolve(), corpus.resolve()} & {*inbox.resolve().parents, *corpus.resolve().parents}:
        raise UserError(
            f"{inbox} and the corpus {corpus} overlap, so recordings of the corpus would be moved; name a "
            "folder of its own in which recordings arrive.",
            "inbox",
        )
    old, arrived = manifest.build(corpus), manifest.build(inbox)
    now = time.time()
    ages = {e.path: now - (inbox / e.path).stat().st_mtime for e in arrived}
    waiting = tuple(path for path, age in ages.items() if -_CLOCKS < age < settle)
    there = {e.path: e.sha256 for e in old}
    new = [e for e in arrived if e.path not in waiting]
    known = tuple(e.path for e in new if e.sha256 and there.get(e.path) == e.sha256)
    new = [e for e in new if e.path not in known]
    if not new:
        return Judgement(known=known, waiting=waiting)
    bad: dict[str, list[str]] = {}
    for entry in new:
        if entry.path in there:
            bad.setdefault(entry.path, []).append("another recording of that name is in the corpus")
        if config.split.kind == "dict" and not entry.class_name:
            bad.setdefault(entry.path, []).append("has no class: it must lie in a folder that names it")
    paths = [*(corpus / entry.path for entry in old), *(inbox / entry.path for entry in new)]
    for path, reason in _failures(old, new, paths, config):
        bad.setdefault(path, []).append(reason)
    good = [e for e in new if e.path not in bad]
    compared = _compared(old, good, config) if good else None
    reasons = {path: tuple(some) for path, some in bad.items()}
    return Judgement(tuple(e.path for e in good), reasons, known, waiting, compared)


def _compared(old: Sequence[Entry], good: Sequence[Entry], config: Config) -> Comparison:
    """What is taken in beside the corpus."""
    before, arrived, now = (accepted.known(some) for some in (old, good, [*old, *good]))
    return moved.compare(before, now, config, comparisons(), arrived=arrived, what="the corpus")


def _failures(
    old: Sequence[Entry], new: Sequence[Entry], paths: Sequence[Path], config: Config
) -> list[tuple[str, str]]:
    """(path, reason) for every check that a new recording fails and that keeps it out.

    Args:
        paths: the files, of the old entries first.
    """
    # Paths must be unique in the manifest, and a new recording may have that of an old one; none ends with a slash.
    entries = [*old, *(dataclasses.replace(entry, path=f"{entry.path}/") for entry in new)]
    errors = {entry.path: entry.error for entry in new}
    # Of several new copies of one recording the first is taken in.
    unseen = {entry.sha256: entry.path for entry in reversed(new)}
    for entry in old:
        unseen.pop(entry.sha256, None)
    first = set(unseen.values())
    entries, copies = validation.with_sources(paths, entries)
    # A copy of a recording that arrives with it, too: that one is taken in.
    original = {new[i - len(old)].path for i, copy in enumerate(copies) if copy == i and i >= len(old)}
    exempt = {"duplicate": first, "copy": original}
    found = []
    for outcome in validation.run(suite(checks(config.validate, config.data.sample_rate)), frame(entries, copies)):
        check = outcome.check
        keeps_out = check.severity == "critical" or check.name in _KEEP_OUT
        if outcome.success or not keeps_out or check.name in _OF_THE_CORPUS:
            continue
        for shown, value in outcome.offenders:
            path = shown.removesuffix("/")
            if path != shown and path not in exempt.get(check.name, ()):
                says = errors[path] if check.name == "unreadable" else f"{check.says} ({check.value(value)})"
                found.append((path, f"{check.name}: {says}"))
    return found


def move(inbox: Path, corpus: Path, quarantine: Path, judgement: Judgement) -> dict[str, Path]:
    """Move recordings as judged. A file exists whole at every moment, here or there, also if this process is killed.

    Returns:
        where each recording that was put aside lies now.
    """
    places: dict[str, Path] = {}
    for path in judgement.good:
        _move(inbox / path, corpus / path)
    for path in judgement.known:
        with temporary.place(corpus / path):  # a process may have been killed when it had just moved it
            pass
        (inbox / path).unlink()
    for path, reasons in judgement.bad.items():
        target = _free(quarantine / path)
        line = {"path": target.relative_to(quarantine).as_posix(), "reasons": reasons, "time": round(time.time())}
        make_folder(quarantine)
        with (quarantine / REASONS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        _move(inbox / path, target)
        places[path] = target
    return places


def _move(source: Path, target: Path) -> None:
    # Not a rename: the folders may be on different file systems, and the corpus holds regular files.
    with replacing(target) as new:
        shutil.copyfile(source, new)
    source.unlink()


def _free(path: Path) -> Path:
    """The path, or the first ``NAME-2``, ``NAME-3``, ... that does not exist."""
    number = 2
    free = path
    while free.exists():
        free = path.with_stem(f"{path.stem}-{number}")
        number += 1
    return free
