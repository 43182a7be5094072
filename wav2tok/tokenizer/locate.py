"""From a model's name (ready-made, file, folder or MLflow URI) to its graph."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wav2tok.errors import UserError
from wav2tok.files import sha256
from wav2tok.progress import log
from wav2tok.tokenizer import cache, ready_made
from wav2tok.tokenizer.format import CARD_FILE, GRAPH_NAMES, METADATA_KEY, VARIANTS, Metadata, identity_of, variant_file
from wav2tok.tokenizer.graph import properties
from wav2tok.tracking import lookup
from wav2tok.tracking.store import fetch
from wav2tok.untrusted import shown


def locate(model: str | Path) -> Path:
    """The ONNX file that a path names: the file itself, or the graph in a folder.

    Raises:
        UserError: there is none.
    """
    path = Path(model)
    if path.is_file():
        return path
    for name in GRAPH_NAMES:
        if (path / name).is_file():
            return path / name
    problem = f"folder {path} holds no {GRAPH_NAMES[0]}" if path.is_dir() else f"{shown(model)} does not exist"
    raise UserError(
        f"{problem}; name an ONNX file, a folder that wav2tok train, export or pull wrote, an MLflow URI such as "
        "models:/wav2tok@champion, or a ready-made model (wav2tok models lists them).",
        "model",
    )


def locate_variant(graph: Path, kind: str) -> Path:
    """The variant of a graph: beside it, or for a model that MLflow keeps anywhere in its folder.

    Raises:
        UserError: there is none, or it was made of another graph.
    """
    if kind not in VARIANTS:
        raise UserError(f"{kind!r} is not a kind of variant; the kinds are: {', '.join(VARIANTS)}.", "variant")
    name = variant_file(kind) if graph.name in GRAPH_NAMES else f"{graph.stem}.{kind}.onnx"
    kept_by_mlflow = (graph.parent / "MLmodel").is_file()
    path = next(graph.parent.rglob(name), None) if kept_by_mlflow else graph.with_name(name)
    if path is None or not path.is_file():
        raise UserError(
            f"{graph.parent} holds no {name}; use the model without a variant, or export it again with "
            f"export.variants=[{kind}].",
            "variant",
        )
    try:
        made_of = Metadata.from_json(properties(path.read_bytes())[METADATA_KEY]).variant_of
    except (KeyError, ValueError):
        made_of = None
    if made_of != identity_of(graph):
        raise UserError(f"{path} is not a variant of {graph.name} beside it; export the model again.", "variant")
    return path


def card_of(graph: Path) -> Path:
    """Where the card of a graph is, if it has one."""
    return ready_made.card_of(graph) if graph.parent == ready_made.FOLDER else graph.parent / CARD_FILE


def is_in_store(model: str) -> bool:
    """Whether a model's name is an MLflow URI."""
    return model.startswith(("models:/", "runs:/", "mlflow-artifacts:/"))


def require_registered(graph: Path, version: lookup.Version) -> None:
    """Refuse a graph that is not the one that a version was registered with.

    Raises:
        UserError: its digest is another.
    """
    if not sha256(graph).startswith(version.identity or ""):
        raise UserError(
            f"the graph of {version.uri} is not the one that was registered: its digest does not begin with "
            f"{version.identity}; register it again.",
            "model",
        )


@contextlib.contextmanager
def located(model: str | Path, variant: str | None = None) -> Iterator[tuple[Path, str]]:
    """The ONNX file of a model and its name.

    The name of a model in the registry has the number of its version. It is read from the cache or downloaded, and a
    download is deleted at the end of the block.

    Args:
        model: a ready-made model such as ``wav2tok:speech``, a file, a folder, or an MLflow URI such as
            ``models:/wav2tok@champion``.
        variant: the kind of a smaller graph that lies beside the model's (`locate_variant`).

    Raises:
        UserError: there is none, it cannot be downloaded, or its graph is not the one that was registered.
    """

    def chosen(graph: Path) -> Path:
        return graph if variant is None else locate_variant(graph, variant)

    if str(model).startswith(ready_made.PREFIX):
        yield chosen(ready_made.find(str(model))), str(model)
        return
    if not is_in_store(str(model)):
        yield chosen(locate(model)), str(model)
        return
    version = lookup.find(str(model))
    if version is None:
        with tempfile.TemporaryDirectory(prefix="wav2tok-") as folder:
            yield chosen(locate(fetch(str(model), Path(folder)))), str(model)
        return
    name = GRAPH_NAMES[0] if variant is None else variant_file(variant)
    kept = cache.find(version, name)
    log.debug(f"{model} is {version.uri}, {f'kept in {kept}' if kept else 'downloaded'}")
    if kept is not None:
        yield kept, version.uri
        return
    with tempfile.TemporaryDirectory(prefix="wav2tok-") as folder:
        graph = locate(fetch(version.uri, Path(folder)))
        require_registered(graph, version)
        found = chosen(graph)
        cache.keep(version, found, name)
        yield found, version.uri
