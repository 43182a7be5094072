"""Which version a name in the registry stands for, asked of the store directly: MLflow takes seconds to import."""

import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wav2tok.errors import UserError, reason
from wav2tok.tracking import reachable, store

IDENTITY = "identity"
"""The tag of a version that holds `wav2tok.tokenizer.tokenizer.Tokenizer.identity` of its graph."""
_PASSPORT = "seed"
"""A tag that every version has which was registered with a passport."""
_SIGNED_IN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_TRACKING_AUTH")


@dataclass(frozen=True)
class Version:
    """A version of a registered model.

    Attributes:
        model_id: of the logged model, unique among all stores; None where MLflow 2 registered it.
        identity: the digest of its graph; None if it was not registered by ``wav2tok register``.
        passport: whether it was registered with a passport, as all are but those of earlier releases.
    """

    name: str
    number: str
    model_id: str | None
    identity: str | None
    passport: bool = False

    @property
    def uri(self) -> str:
        """Its URI, which never means another version."""
        return f"models:/{self.name}/{self.number}"


def find(uri: str) -> Version | None:
    """The version that ``models:/NAME@ALIAS`` or ``models:/NAME/NUMBER`` means now; None for other URIs.

    SQLite stores and servers without a login are asked directly, others by MLflow.

    Raises:
        UserError: the store has no such version, or does not answer, or MLflow is needed and not installed.
    """
    named = re.fullmatch(r"models:/([^/@]+)(?:@([^/@]+)|/(\d+))", uri)
    if named is None:
        return None
    name, alias, number = named.groups()
    where = store.location()
    path = store.database(where)
    found = None
    if not os.environ.get("MLFLOW_REGISTRY_URI"):
        if path is not None and path.is_file():
            found = _asked(lambda: _in_database(path, name, alias, number))
        elif re.match(r"https?://\S+$", where) and not any(map(os.environ.get, _SIGNED_IN)):
            found, late = reachable.within(
                lambda: (_asked(lambda: _on_server(where, name, alias, number)), False), (None, True)
            )
            if late:
                raise store.unusable(reachable.LATE)
    return found or _by_mlflow(uri, name, alias, number)


def _asked(ask: Callable[[], Version | None]) -> Version | None:
    """What a store says if it looks as known: its schema and its answers are MLflow's own; else MLflow is asked."""
    try:
        return ask()
    except (sqlite3.Error, OSError, ValueError, LookupError, TypeError):
        return None


def logged_model(source: str | None) -> str | None:
    """The id of the logged model that is the source of a version; None where MLflow 2 registered it.

    MLflow fills the attribute ``model_id`` of a version in some stores only.
    """
    logged = re.fullmatch(r"models:/(m-[0-9a-f]{32})", source or "")
    return logged and logged[1]


def _version(name: str, number: str, source: str, tags: Mapping[str, str]) -> Version:
    return Version(name, number, logged_model(source), tags.get(IDENTITY), _PASSPORT in tags)


def _in_database(path: Path, name: str, alias: str | None, number: str | None) -> Version | None:
    with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:

        def value(query: str, *values: str | None) -> str | None:
            row = database.execute(query, values).fetchone()
            return None if row is None else str(row[0])

        if alias is not None:
            number = value("SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?", name, alias)
        source = value("SELECT source FROM model_versions WHERE name = ? AND version = ?", name, number)
        tags = "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?"
        found = dict(database.execute(tags, (name, number)).fetchall())
        return _version(name, number, source, found) if number and source else None


def _on_server(where: str, name: str, alias: str | None, number: str | None) -> Version:
    path, key, asked = (
        ("registered-models/alias", "alias", alias) if alias else ("model-versions/get", "version", number)
    )
    import http.client
    import urllib.parse  # here, because few calls come this far, and their imports take longer than a search
    import urllib.request

    query = urllib.parse.urlencode({"name": name, key: asked})
    url = f"{where.rstrip('/')}/api/2.0/mlflow/{path}?{query}"
    try:
        with urllib.request.urlopen(url, timeout=reachable.SECONDS) as answer:
            found = json.load(answer)["model_version"]
    except http.client.HTTPException as error:
        raise ValueError("whatever answers there does not speak HTTP") from error
    tags = {tag["key"]: tag["value"] for tag in found.get("tags", ())}
    return _version(name, str(found["version"]), found["source"], tags)


def _by_mlflow(uri: str, name: str, alias: str | None, number: str | None) -> Version:
    mlflow = store.existing(f"{uri} cannot be looked up")
    from mlflow.exceptions import MlflowException

    client = mlflow.MlflowClient()
    try:
        found = client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, str(number))
    except MlflowException as error:
        raise UserError(
            f"{uri} is not in the store {store.shown()} ({reason(error)}); register a model with "
            "wav2tok register, or set MLFLOW_TRACKING_URI.",
            "model",
        ) from None
    return _version(name, str(found.version), found.source or "", found.tags)
