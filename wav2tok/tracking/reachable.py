"""Whether an MLflow store, or another server, can be used, found out within five seconds and without MLflow.

MLflow itself tries again and again, for two minutes, before it says that a server does not answer or that a database
cannot be opened.
"""

import contextlib
import importlib.util
import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

Answer = TypeVar("Answer")
Late = TypeVar("Late")
SECONDS = 5.0
_DATABRICKS = "databricks"
_EXPERIMENTS = "api/2.0/mlflow/experiments/search?max_results=1"
_OURS = frozenset({"experiments", "runs", "metrics", "alembic_version"})
"""Tables of every MLflow database."""


def problem(uri: str, database: Path | None, *, writing: bool) -> str | None:
    """Why a store cannot be used, in a few words to follow its name; None if it can.

    Args:
        database: the SQLite file of the store; None for a store of another kind.
        writing: whether it is to be written to.
    """
    try:
        scheme = urlsplit(uri).scheme.partition("+")[0]
    except ValueError:
        return "is not a valid address"
    if scheme in ("http", "https") and any(letter.isspace() for letter in uri):
        return "is not a valid address"
    if scheme == "sqlite" and database is None:
        return "is in memory, and would be gone when the verb ends"
    if uri == _DATABRICKS or scheme == _DATABRICKS:
        return _databricks(urlsplit(uri).netloc.partition(":")[0])
    if database is not None:
        return _within(lambda: _sqlite(database, writing))
    if scheme in ("http", "https"):
        return _mlflow(uri)
    if scheme in ("postgresql", "mysql", "mssql"):
        return _driver(uri) or _within(lambda: _other_database(uri))
    if scheme in ("", "file"):
        return _folder(Path(unquote(urlsplit(uri).path)), writing)
    return None


def exists(uri: str, database: Path | None) -> bool:
    """Whether there is something to read in a store that can be used.

    MLflow makes the tables of an empty database, and the folder of a store that is a folder, also for who only reads.

    Args:
        database: the SQLite file of the store; None for a store of another kind.
    """
    if database is not None:
        return database.is_file() and database.stat().st_size > 0
    place = urlsplit(uri)
    return place.scheme not in ("", "file") or Path(unquote(place.path)).is_dir()


LATE = f"does not answer within {SECONDS:g} s"


def within(ask: Callable[[], Answer], late: Late) -> Answer | Late:
    """What ``ask`` says, or ``late`` after `SECONDS`: a time limit of a socket is for each part that arrives.

    Args:
        ask: raises nothing.
    """
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    thread.join(SECONDS)
    return answers[0] if answers else late


def _within(ask: Callable[[], str | None]) -> str | None:
    return within(ask, LATE)


def _mlflow(uri: str) -> str | None:
    wrong = server(uri, "MLflow")
    # A hosted store need not have a page about its health.
    if wrong is not None and wrong.endswith("(HTTP 404)"):
        return _within(lambda: _answer(f"{_plain(uri)}/{_EXPERIMENTS}", "MLflow"))
    return wrong


def _databricks(profile: str) -> str | None:
    """The store ``databricks`` or ``databricks://PROFILE``: the environment or a file of profiles says where it is.

    Its own client waits five minutes for an address that does not answer.
    """
    import configparser

    if "DATABRICKS_RUNTIME_VERSION" in os.environ:  # in its notebooks the client knows
        return None
    path = Path(os.environ.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg").expanduser()
    profiles = configparser.ConfigParser(interpolation=None)
    try:
        profiles.read(path, encoding="utf-8")
    except (configparser.Error, OSError, ValueError) as error:
        return f"cannot be found, because {path} cannot be read ({type(error).__name__})"
    name = profile or os.environ.get("DATABRICKS_CONFIG_PROFILE") or configparser.DEFAULTSECT
    host = os.environ.get("DATABRICKS_HOST") or (profiles[name].get("host") if name in profiles else None)
    if not host:
        return f"has no address, because DATABRICKS_HOST is not set and {path} has no host in [{name}]"
    address = host if "://" in host else f"https://{host}"
    return _within(lambda: _answer(f"{_plain(address)}/{_EXPERIMENTS}", "Databricks"))


def server(address: str, program: str, says: bytes | None = None) -> str | None:
    """Why a server cannot be used, in a few words to follow its name; None if it can.

    Args:
        address: of its page ``health``, without that.
        program: what it should be.
        says: what the page holds; None: anything.
    """
    return _within(lambda: _answer(f"{_plain(address)}/health", program, says))


def _plain(address: str) -> str:
    """An address without user and password."""
    where = urlsplit(address)
    return where._replace(netloc=where.netloc.rpartition("@")[2]).geturl().rstrip("/")


def _answer(url: str, program: str, says: bytes | None = None) -> str | None:
    import urllib.error  # here, because their imports take longer than the start of the tokenizer
    import urllib.request

    other = f"answers, but not as {program} does"
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return None if says in (None, answer.read(100).strip()) else other
    except urllib.error.HTTPError as error:
        # It wants to know who asks, as it should.
        return None if error.code in (401, 403) else f"{other} (HTTP {error.code})"
    except (urllib.error.URLError, OSError, ValueError) as error:
        cause = getattr(error, "reason", error)
        number = cause.errno if isinstance(cause, OSError) else None
        said = os.strerror(number) if number is not None and number > 0 else str(cause)
        return f"does not answer ({said})"
    except Exception as error:  # http.client: whatever answers there does not speak HTTP
        return f"{other} ({type(error).__name__})"


def _sqlite(path: Path, writing: bool) -> str | None:
    if not path.exists():
        if not path.parent.is_dir():
            return f"is in {path.parent}, which is not a folder"
        return None if _takes_files(path.parent) else f"cannot be made, because {path.parent} takes no files"
    if not path.is_file():
        return "is not a file"
    try:
        with contextlib.closing(sqlite3.connect(path.absolute().as_uri() + "?mode=rw", uri=True, timeout=4)) as found:
            tables = {str(row[0]) for row in found.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if tables and not tables >= _OURS:
                return "is the database of another program"
            if writing:
                found.execute("BEGIN IMMEDIATE")
                found.rollback()
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            return "is locked by another process"
        if not os.access(path, os.R_OK):
            return "cannot be read"
        return f"cannot be {'written' if 'readonly' in str(error) else 'read'} ({error})"
    if writing and not _takes_files(path.parent):
        return f"cannot be written, because {path.parent} takes no files"
    return None


def _takes_files(folder: Path) -> bool:
    """Whether files can be made in a folder; its permissions do not say so of ``/proc``, or of a disk that is full."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _driver(uri: str) -> str | None:
    """Whether the package is missing that talks to such a database."""
    dialect, _, driver = urlsplit(uri).scheme.partition("+")
    module = driver or {"postgresql": "psycopg2", "mysql": "MySQLdb", "mssql": "pyodbc"}[dialect]
    module = {"mysqldb": "MySQLdb"}.get(module, module)
    if importlib.util.find_spec(module) is not None:
        return None
    way = "; postgresql+psycopg:// works with wav2tok[server]" if dialect == "postgresql" else ""
    return f"needs the package {module}, which is not installed{way}"


def _other_database(uri: str) -> str | None:
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(uri)
        with engine.connect():
            pass
        engine.dispose()
    except Exception as error:  # each driver has errors of its own
        return f"does not answer ({' '.join(str(getattr(error, 'orig', error)).split())[:150].rstrip('.')})"
    return None


def _folder(path: Path, writing: bool) -> str | None:
    if path.exists() and not path.is_dir():
        return "is not a folder"
    there = next((one for one in (path, *path.parents) if one.exists()), path)
    return f"cannot be written, because {there} takes no files" if writing and not _takes_files(there) else None
