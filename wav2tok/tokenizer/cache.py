"""Graphs from the registry, kept in the user's cache so that the second start needs neither MLflow nor a download."""

from pathlib import Path

from wav2tok.files import cache, replacing, sha256
from wav2tok.progress import log
from wav2tok.tokenizer.format import GRAPH_NAMES
from wav2tok.tracking.lookup import Version

KEPT = 20
"""Versions; those that were used longest ago go first."""


def place() -> Path:
    """The folder with a folder per logged model."""
    return cache() / "models"


def find(version: Version) -> Path | None:
    """The kept graph of a version; None if there is none, or if its bytes are not those that were kept."""
    if version.model_id is None:
        return None
    graph = place() / version.model_id / GRAPH_NAMES[0]
    try:
        digest = sha256(graph)
        kept = _digest_of(graph).read_text(encoding="ascii").strip()
        graph.parent.touch()
    except OSError:
        return None
    return graph if digest == kept and digest.startswith(version.identity or "") else None


def keep(version: Version, graph: Path) -> None:
    """Copy the graph of a version into the cache; a cache that cannot be written to is left as it is."""
    if version.model_id is None:
        return
    kept = place() / version.model_id / GRAPH_NAMES[0]
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as temporary:
            temporary.write_bytes(graph.read_bytes())
        _digest_of(kept).write_text(sha256(graph) + "\n", encoding="ascii")
        used = sorted(place().glob("m-*"), key=lambda folder: folder.stat().st_mtime)
        for folder in used[:-KEPT]:
            for file in (folder / GRAPH_NAMES[0], _digest_of(folder / GRAPH_NAMES[0])):
                file.unlink(missing_ok=True)
            folder.rmdir()
    except OSError as error:
        log.debug(f"{graph} is not kept in {place()}: {error}")


def _digest_of(graph: Path) -> Path:
    return graph.with_suffix(".sha256")
