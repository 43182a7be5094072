"""Graphs from the registry, kept in the user's cache so that the second start needs neither MLflow nor a download."""

import shutil
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


def find(version: Version, name: str = GRAPH_NAMES[0], sha256_of: str | None = None) -> Path | None:
    """The kept graph of a version; None if there is none, or if its bytes are not those that were kept.

    Args:
        name: of the graph; a version may have variants.
        sha256_of: its digest, if known.
    """
    if version.model_id is None:
        return None
    graph = place() / version.model_id / name
    try:
        digest = sha256(graph)
        kept = _digest_of(graph).read_text(encoding="ascii").strip()
        graph.parent.touch()
    except OSError:
        return None
    registered = version.identity or "" if name == GRAPH_NAMES[0] else ""
    return graph if digest == kept == (sha256_of or kept) and digest.startswith(registered) else None


def keep(version: Version, graph: Path, name: str = GRAPH_NAMES[0]) -> None:
    """Copy a graph of a version into the cache; a cache that cannot be written to is left as it is."""
    if version.model_id is None:
        return
    kept = place() / version.model_id / name
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as temporary:
            temporary.write_bytes(graph.read_bytes())
        _digest_of(kept).write_text(sha256(graph) + "\n", encoding="ascii")
        used = sorted(place().glob("m-*"), key=lambda folder: folder.stat().st_mtime)
        for folder in used[:-KEPT]:
            shutil.rmtree(folder)
    except OSError as error:
        log.debug(f"{graph} is not kept in {place()}: {error}")


def _digest_of(graph: Path) -> Path:
    return graph.with_suffix(".sha256")
