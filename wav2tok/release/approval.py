"""A version that waits for a person's yes, as the retraining flow asks for it.

``python -m wav2tok.release.approval ask OUTCOME`` prints, as JSON, the question about the version of an outcome that
the stage ``register`` wrote, or null if it does not wait. ``approve NAME VERSION --why WHY`` makes a version champion,
if the champion is still the one that it was compared with; ``decline NAME VERSION --why WHY`` lets it be. When the
answer comes, the outcome may be that of another version.
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
from wav2tok.release.versions import APPROVAL, DECLINED, OUTCOME, WAITING
from wav2tok.tracking import links


def waiting(name: str, number: str) -> bool:
    """Whether a version waits for approval now."""
    return bool(versions.get(name, number, "its approval cannot be asked for").tags.get(APPROVAL) == WAITING)


def against(name: str, number: str) -> str | None:
    """The number of the champion that a version has beaten; None if there was none."""
    version = versions.get(name, number, f"{name} version {number} cannot be approved")
    found: str | None = json.loads(version.tags.get(OUTCOME, "{}")).get("standing", {}).get("against")
    return found


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


def decline(name: str, number: str, why: str) -> None:
    """Record that a person said no; the version stays what it is, and nobody is asked again."""
    history.record(name, number, history.now("declined", why))
    versions.tag(name, number, APPROVAL, DECLINED)


def main() -> None:
    """Print the question, approve, or decline."""
    parser = argparse.ArgumentParser(prog="python -m wav2tok.release.approval")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("ask").add_argument("outcome", type=Path)
    for verb in ("approve", "decline"):
        answer = verbs.add_parser(verb)
        answer.add_argument("name")
        answer.add_argument("version")
        answer.add_argument("--why", required=True)
    options = parser.parse_args()
    try:
        if options.verb == "ask":
            outcome = read_json(options.outcome)
            waits = outcome.get("awaits_approval") and waiting(outcome["name"], outcome["version"])
            print(json.dumps(question(outcome) if waits else None))
            return
        name, number = options.name, options.version
        if options.verb == "approve":
            champion.promote(name, number, options.why, against(name, number))
        elif waiting(name, number):
            decline(name, number, options.why)
    except UserError as error:
        print(f"approval: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
