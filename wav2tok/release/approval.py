"""A version that waits for a person's yes, as the retraining flow asks for it.

``python -m wav2tok.release.approval OUTCOME`` prints, as JSON, the question about the version of an outcome that the
stage ``register`` wrote, or null if it does not wait. ``--approve WHY`` makes the version champion, if the champion is
still the one that it was compared with; ``--decline WHY`` lets it be.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wav2tok.errors import UserError
from wav2tok.files import read_json
from wav2tok.release import champion, history, versions
from wav2tok.release.versions import APPROVAL, DECLINED, WAITING
from wav2tok.tracking import links


def waiting(outcome: Mapping[str, Any]) -> bool:
    """Whether the version of an outcome waits for approval now."""
    if not outcome.get("awaits_approval"):
        return False
    version = versions.get(outcome["name"], outcome["version"], "its approval cannot be asked for")
    return bool(version.tags.get(APPROVAL) == WAITING)


def question(outcome: Mapping[str, Any]) -> str:
    """The comparison in Markdown, for the person who decides."""
    name, number = outcome["name"], outcome["version"]
    lines = [f"# Is {name} version {number} to be the champion?", "", outcome["why"], ""]
    for found in outcome["comparisons"]:
        if found["challenger"] is not None:
            lines += ["| | score |", "|---|---|", f"| version {number} | {found['challenger']:.3f} |"]
            lines += [f"| the champion | {found['champion']:.3f} |", ""]
        lines += [f"- {'met' if clause['met'] else '**not met**'}: {clause['sentence']}" for clause in found["clauses"]]
    base = links.server()
    if base:
        lines += ["", f"[Version {number} in MLflow]({links.version(base, name, number)})"]
    return "\n".join(lines)


def decline(outcome: Mapping[str, Any], why: str) -> None:
    """Record that a person said no; the version stays what it is, and nobody is asked again."""
    name, number = outcome["name"], outcome["version"]
    history.record(name, number, history.now("declined", why))
    versions.tag(name, number, APPROVAL, DECLINED)


def main() -> None:
    """Print the question, or decline."""
    parser = argparse.ArgumentParser(prog="python -m wav2tok.release.approval")
    parser.add_argument("outcome", type=Path)
    answer = parser.add_mutually_exclusive_group()
    answer.add_argument("--approve", metavar="WHY")
    answer.add_argument("--decline", metavar="WHY")
    options = parser.parse_args()
    try:
        outcome = read_json(options.outcome)
        asked = waiting(outcome)
        if options.approve is not None:
            champion.promote(outcome["name"], outcome["version"], options.approve, outcome["against"])
        elif options.decline is None:
            print(json.dumps(question(outcome) if asked else None))
        elif asked:
            decline(outcome, options.decline)
    except UserError as error:
        print(f"approval: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
