"""From an inbox to the corpus: what ``wav2tok ingest`` does."""

from pathlib import Path

from wav2tok.config.schema import Config
from wav2tok.corpus import inbox as box
from wav2tok.corpus.inbox import Judgement
from wav2tok.extras import need
from wav2tok.files import make_folder, write_json
from wav2tok.progress import log
from wav2tok.writable import require_folder, require_outside, require_own_json


def ingest(inbox: Path, quarantine: Path, out: Path, config: Config, settle: float) -> Judgement:
    """Move the good recordings of ``inbox`` to the corpus and the others to ``quarantine``; write ``out``.

    Args:
        out: a JSON file with ``taken``, ``quarantined`` (path: reasons), ``places`` (path: where it lies in the
            quarantine), ``known``, ``waiting``, ``compared`` (a sentence on what was taken in beside the corpus) and
            ``moved`` (one for each distribution that moved).
        settle: seconds for which a file must not have changed.

    Raises:
        UserError: ``inbox`` or the corpus is not a folder, or ``out`` or ``quarantine`` cannot be written to: nothing
            is moved then.
    """
    need("workflow", "great_expectations", "pandas")
    corpus = Path(config.data.path)
    require_own_json(out, "taken", "quarantined")
    for parameter, place in (("out", out), ("quarantine", quarantine)):
        require_outside(place, corpus, inbox, parameter=parameter)
    require_folder(quarantine)
    make_folder(out.parent)
    found = box.judge(inbox, corpus, config, settle)
    places = box.move(inbox, corpus, quarantine, found)
    write_json(
        out,
        {
            "taken": list(found.good),
            "quarantined": {path: list(reasons) for path, reasons in found.bad.items()},
            "places": {path: str(place) for path, place in places.items()},
            "known": list(found.known),
            "waiting": list(found.waiting),
            "compared": None if found.compared is None else found.compared.says,
            "moved": [] if found.compared is None else [shift.sentence for shift in found.compared.moved],
        },
    )
    for path, reasons in found.bad.items():
        log.warning(f"{inbox / path}: {'; '.join(reasons)}")
    if found.compared is not None:
        for shift in found.compared.moved:
            log.warning(shift.sentence)
    parts = [
        f"{len(found.good)} taken into {corpus}",
        f"{len(found.bad)} put into {quarantine}" if found.bad else "",
        f"{len(found.known)} were there already" if found.known else "",
        f"{len(found.waiting)} still changing" if found.waiting else "",
    ]
    log.info(f"{inbox}: {', '.join(filter(None, parts))}")
    return found
