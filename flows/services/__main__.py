"""``python -m flows.services``: start, stop, status, backup, restore."""

import argparse
import os
import sys
from pathlib import Path

from flows.retrain import PROJECT
from flows.services import backup, suite
from flows.services.folder import Folder
from wav2tok.errors import UserError
from wav2tok.files import locked


def main() -> None:
    """Do what the first argument says; exit code 2 if a person must fix something."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.services", description="PostgreSQL, MLflow, Prefect and a worker on this machine."
    )
    parser.add_argument("--folder", type=Path, help="where they keep their data (default: .services of the project)")
    parser.add_argument("--root", type=Path, default=PROJECT, help="the project (default: this one)")
    verbs = parser.add_subparsers(dest="verb", required=True)
    begin = verbs.add_parser("start", help="start what does not run")
    begin.add_argument("--mlflow-port", type=int, help="of the MLflow server (default: as before, or 5000)")
    begin.add_argument("--prefect-port", type=int, help="of the Prefect server (default: as before, or 4200)")
    verbs.add_parser("stop", help="end what was started")
    verbs.add_parser("status", help="say what is up; exit code 1 if something is not")
    for verb, text in (("backup", "write databases and artifacts to a new tar file"),
                       ("restore", "fill a new folder from such a file")):  # fmt: skip
        verbs.add_parser(verb, help=text).add_argument("file", type=Path)
    options = parser.parse_args()
    try:
        if os.name != "posix":
            raise UserError("the services need Linux or macOS.")
        sys.exit(_run(options))
    except UserError as error:
        where = f" (--{error.parameter})" if error.parameter else ""
        print(f"services: {error}{where}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("services: stopped.", file=sys.stderr)
        sys.exit(130)


def _run(options: argparse.Namespace) -> int:
    folder = Folder(options.folder or options.root / ".services", options.root)
    if options.verb == "status":
        lines = suite.status(folder)
        print("\n".join(lines))
        print(f"to use them here: . {folder.environment_file}")
        return 1 if any("not running" in line for line in lines) else 0
    if options.verb in ("stop", "backup") and not folder.environment_file.exists():
        folder.environment()  # says so
    with locked(folder.path):
        if options.verb == "start":
            started = suite.start(folder, options.mlflow_port, options.prefect_port)
            print(f"started {', '.join(started)}." if started else "all of them run already.")
            print("\n".join(suite.status(folder)))
            print(f"to use them here: . {folder.environment_file}")
        elif options.verb == "stop":
            ended = suite.stop(folder)
            print(f"stopped {', '.join(ended)}." if ended else "none of them ran.")
        elif options.verb == "backup":
            backup.save(folder, options.file)
            print(f"{options.file}: {options.file.stat().st_size / 1e6:.1f} MB")
        else:
            backup.restore(folder, options.file)
            print(f"{folder.path} is restored; start it with make services.")
    return 0


if __name__ == "__main__":
    main()
