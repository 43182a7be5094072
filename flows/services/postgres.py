"""PostgreSQL for the services: a cluster of its own that listens on a socket in a closed folder, and on no port.

So it needs no password: who cannot enter the folder cannot connect.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO
from urllib.parse import quote

from flows.services.folder import Folder
from wav2tok.errors import UserError
from wav2tok.extras import need

DATABASES = ("mlflow", "users", "prefect")
OWNER = "wav2tok"
_DEBIAN = Path("/usr/lib/postgresql")
_SOCKET_BYTES = 107
"""Longer paths of sockets are refused by the kernel."""


class Postgres:
    """The cluster in a folder of services.

    Attributes:
        user: who runs it: PostgreSQL refuses to run as root, so root runs it as the user of Debian's package.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.cluster = folder.database / "cluster"
        self.socket = folder.database
        self.user = "postgres" if os.geteuid() == 0 else None

    def program(self, name: str) -> str:
        """The path of a program, of the version that made the cluster where Debian has it; else the newest.

        Raises:
            UserError: there is none.
        """
        versions = sorted(
            (path for path in _DEBIAN.glob("*") if (path / "bin" / name).exists() and path.name.isdigit()),
            key=lambda path: int(path.name),
        )
        made = self.cluster / "PG_VERSION"
        same = [path for path in versions if made.exists() and path.name == made.read_text(encoding="utf-8").strip()]
        best = (same or versions)[-1:]
        found = str(best[0] / "bin" / name) if best else shutil.which(name)
        if found is None:
            raise UserError(f"{name} is not installed; install PostgreSQL, on Debian with: apt install postgresql")
        return found

    def prepare(self) -> None:
        """Make the cluster, if there is none.

        Raises:
            UserError: PostgreSQL is not installed or cannot make it, or the folder's path is too long for a socket.
        """
        need("server")
        if len(os.fsencode(self.socket / ".s.PGSQL.5432")) > _SOCKET_BYTES:
            raise UserError(f"{self.folder.path} is too long a path for PostgreSQL's socket; use --folder.", "folder")
        self.folder.database.mkdir(mode=0o700, exist_ok=True)
        if self.user is not None:
            try:
                shutil.chown(self.folder.database, self.user)
            except LookupError:
                raise UserError(
                    f"PostgreSQL does not run as root, and the user {self.user} does not exist; start the services "
                    "from an ordinary account."
                ) from None
        if self.cluster.exists():
            return
        unfinished = self.folder.database / "unfinished"  # of a process that was killed
        shutil.rmtree(unfinished, ignore_errors=True)
        self.run(
            "initdb", "-D", str(unfinished), "-U", OWNER, "--auth=trust", "--encoding=UTF8", "--locale=C", local=False
        )
        unfinished.rename(self.cluster)

    def command(self) -> list[str]:
        """Run the server."""
        settings = ("listen_addresses=", "unix_socket_permissions=0700")
        options = [word for setting in settings for word in ("-c", setting)]
        return [self.program("postgres"), "-D", str(self.cluster), "-k", str(self.socket), *options]

    def ready(self) -> bool:
        """Whether the server answers."""
        asked = [self.program("pg_isready"), "-q", "-h", str(self.socket), "-U", OWNER, "-d", "postgres"]
        return subprocess.run(asked, check=False).returncode == 0

    def make_databases(self) -> None:
        """Make those of `DATABASES` that are missing."""
        import psycopg

        with psycopg.connect(host=str(self.socket), user=OWNER, dbname="postgres", autocommit=True) as connection:
            there = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            for name in DATABASES:
                if name not in there:
                    connection.execute(f'CREATE DATABASE "{name}"'.encode())

    def address(self, database: str, driver: str) -> str:
        """The address of a database for SQLAlchemy."""
        return f"postgresql+{driver}://{OWNER}@/{database}?host={quote(str(self.socket))}"

    def dump(self, database: str, path: Path) -> None:
        """Write a consistent state of a database while it is in use."""
        with path.open("wb") as file:
            self.run("pg_dump", "--format=custom", "--dbname", database, stdout=file)

    def load(self, database: str, path: Path) -> None:
        """Fill an empty database with what `dump` wrote, whole or not at all."""
        with path.open("rb") as file:
            self.run("pg_restore", "--single-transaction", "--no-owner", "--dbname", database, stdin=file)

    def run(
        self,
        name: str,
        *arguments: str,
        local: bool = True,
        stdin: IO[bytes] | int = subprocess.DEVNULL,
        stdout: IO[bytes] | int = subprocess.DEVNULL,
    ) -> None:
        """Run a program of PostgreSQL; with ``local`` it connects to the server.

        Raises:
            UserError: it fails.
        """
        where: Sequence[str] = ("-h", str(self.socket), "-U", OWNER) if local else ()
        done = subprocess.run(
            [self.program(name), *where, *arguments],
            cwd=self.folder.database,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else (),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
            raise UserError(f"{name} failed for {self.folder.path}: {said[-1]}")
