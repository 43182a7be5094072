"""A backup of the services in one tar file: their databases, the artifacts, and addresses with secrets.

The databases are dumped before the artifacts are copied, so a run in the backup has its files, even if trainings go on.
"""

import shutil
import tarfile
import tempfile
from pathlib import Path

from flows.services import process, suite
from flows.services.folder import Folder, private
from flows.services.postgres import DATABASES, Postgres
from wav2tok.errors import UserError
from wav2tok.files import make_folder
from wav2tok.writable import require_empty, require_file

_ENVIRONMENT = "environment"


def save(folder: Folder, file: Path) -> None:
    """Write a backup that only its owner can read; PostgreSQL must run, the others may.

    Raises:
        UserError: ``file`` exists, PostgreSQL does not run, or the disk is full.
    """
    require_file(file)
    if file.exists():
        raise UserError(f"{file} exists; name a new file for the backup.")
    if process.running(folder, "postgresql") is None:
        raise UserError(f"PostgreSQL of {folder.path} does not run; start it with make services.")
    server = Postgres(folder)
    make_folder(file.resolve().parent)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="backup-", dir=folder.path) as name,
            private(file) as target,
            tarfile.open(fileobj=target, mode="w") as archive,
        ):
            for database in DATABASES:
                dump = Path(name, f"{database}.dump")
                server.dump(database, dump)
                archive.add(dump, dump.name)
            archive.add(folder.environment_file, _ENVIRONMENT)
            archive.add(folder.artifacts, folder.artifacts.name)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror or error}.") from None


def restore(folder: Folder, file: Path) -> None:
    """Fill a folder in which no services were ever started; they are stopped when it is done.

    A restore that fails leaves the folder as it was.

    Raises:
        UserError: the folder holds services, or ``file`` is not a backup.
    """
    require_empty(folder.path)
    folder.make()
    server = Postgres(folder)
    try:
        with tempfile.TemporaryDirectory(prefix="restore-", dir=folder.path) as name:
            unpacked = _unpack(file, Path(name))
            process.start(folder, suite.postgresql(folder))
            try:
                server.make_databases()
                for database in DATABASES:
                    server.load(database, unpacked / f"{database}.dump")
            finally:
                process.stop(folder, "postgresql", suite.stop_signal("postgresql"))
            folder.artifacts.rmdir()
            (unpacked / folder.artifacts.name).rename(folder.artifacts)
            (unpacked / _ENVIRONMENT).chmod(0o600)
            (unpacked / _ENVIRONMENT).rename(folder.environment_file)
    except BaseException:
        for path in folder.path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


def _unpack(file: Path, into: Path) -> Path:
    """Unpack a backup, of which nothing can be written elsewhere; returns ``into``."""
    try:
        with tarfile.open(file, mode="r:") as archive:
            archive.extractall(into, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise UserError(f"{file} cannot be read as a backup: {error}.") from None
    names = [*(f"{database}.dump" for database in DATABASES), _ENVIRONMENT, "artifacts"]
    missing = [name for name in names if not (into / name).exists()]
    if missing:
        raise UserError(f"{file} is not a complete backup of the services: {missing[0]} is missing.")
    return into
