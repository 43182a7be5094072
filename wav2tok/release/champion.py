"""Which version is the champion: promotion by evidence, by a person, and the way back.

MLflow sets an alias without comparing it with what it was, so two promotions at once could undo each other. Each
therefore first writes a claim, a tag of its version, then moves the alias, then looks for claims of others. Of two at
the same time at least one sees the other, because each writes before it reads; it then lets the two compete, and goes
on looking until nobody new has appeared. A claim that a killed process left is completed or dropped by the next one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from wav2tok.errors import UserError
from wav2tok.progress import log
from wav2tok.release import history, versions
from wav2tok.release.history import Event
from wav2tok.release.versions import APPROVAL, APPROVED, CHALLENGER, CHAMPION, GIVEN, PREVIOUS, WAITING, State
from wav2tok.tracking import runs
from wav2tok.tracking.store import connect, existing, reaching

CLAIM = "claim"
"""Tag of a version that is about to become champion: the event that it will be (`history.Event.value`)."""


ATTEMPTS = 5
_PASSING = ("BAD_REQUEST", "INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")


@dataclass(frozen=True)
class Comparison:
    """Whether a version takes the place of another, and why, in one sentence."""

    won: bool
    why: str


Decide = Callable[[Any, Any], Comparison]
"""(a version, the one whose place it would take) -> whether it does."""


@dataclass(frozen=True)
class Standing:
    """What became of a version: the alias that it got, if any, and why."""

    alias: str | None
    why: str
    waiting: bool = False
    """Whether it beat the champion and waits for a person's yes."""
    against: str | None = None
    """The number of the champion that it then beat; None if there was none."""


def contend(name: str, number: str, decide: Decide, note: Callable[[str], object], *, manual: bool = False) -> Standing:
    """Let a version compete with the champion for its place.

    Args:
        decide: compares two versions; asked again if the champion changes meanwhile.
        note: takes the reason, before an alias moves.
        manual: a version that wins stays challenger until a person promotes it.

    Raises:
        UserError: the gate did not approve the version.
    """
    while True:
        state = settle(name)
        current = state.champion
        if current is not None and str(current.version) == number:
            return Standing(CHAMPION, _last_reason(current))
        version = state.versions[number]
        require_approved(version)
        found = Comparison(True, "there was no champion") if current is None else decide(version, current)
        note(found.why)
        if not found.won:
            return challenge(name, number, found.why)
        if manual:
            versions.tag(name, number, APPROVAL, WAITING)
            against = None if current is None else str(current.version)
            standing = challenge(name, number, f"it waits for approval: {found.why}")
            return replace(standing, waiting=True, against=against)
        if versions.read(name).aliases.get(CHAMPION) != state.aliases.get(CHAMPION):
            log.info("the champion has changed meanwhile; comparing with the new one")
            continue
        replaced = None if current is None else str(current.version)
        event = history.now("promoted", found.why, previous=replaced, replaced=replaced)
        _claim(name, number, event)
        _point(name, CHAMPION, number)
        winner, why = _against_rivals(name, number, decide, _seen(state, replaced))
        if winner != number:
            note(why)
            return challenge(name, number, why)
        settle(name, number)
        return Standing(CHAMPION, found.why)


def challenge(name: str, number: str, why: str) -> Standing:
    """Make a version the challenger."""
    _point(name, CHALLENGER, number)
    runs.outcome(versions.read(name).versions[number].run_id, f"{CHALLENGER}, version {number}")
    return Standing(CHALLENGER, why)


def promote(name: str, number: str, why: str, expected: str | None) -> Event:
    """Make a version the champion because a person says so.

    Args:
        why: the person's reason.
        expected: the number of the champion that the person compared it with; None if there was none.

    Raises:
        UserError: there is no such version or store, the gate did not approve it, it is champion already, or the
            champion is no longer the expected one; nothing is changed then.
    """
    why = history.require_reason(why)
    problem = f"{name} version {number} cannot be promoted"
    existing(problem)
    version = versions.get(name, number, problem)
    require_approved(version)
    state = settle(name)
    if state.aliases.get(CHAMPION) == number:
        raise UserError(f"{name} version {number} is the champion already.")
    _require_expected(name, state, expected)
    event = history.now("promoted", why, previous=expected, replaced=expected)
    _crown(name, number, event)
    if version.tags.get(APPROVAL) == WAITING:
        versions.tag(name, number, APPROVAL, GIVEN)
    return event


def rollback(name: str, why: str) -> tuple[str, Event]:
    """Make the version champion that was it before the present one; returns its number and what happened.

    Raises:
        UserError: there is no champion, or none before it.
    """
    why = history.require_reason(why)
    existing(f"{name} cannot be rolled back")
    state = settle(name)
    if state.champion is None:
        raise UserError(
            f"{name} has no champion, so there is nothing to go back from; wav2tok history shows its story."
        )
    current = str(state.champion.version)
    target = previous(state)
    if target is None:
        raise UserError(f"{name} version {current} replaced no earlier champion that still exists; name one: promote.")
    before = _before(state.versions[target])
    event = history.now("rolled back", why, previous=before, replaced=current)
    _crown(name, target, event)
    return target, event


def previous(state: State) -> str | None:
    """The version that the present champion replaced, if it still exists."""
    number = None if state.champion is None else _before(state.champion)
    return number if number in state.versions else None


def require_approved(version: Any) -> None:
    """Refuse a version that was registered although the gate did not approve it.

    Raises:
        UserError: it was.
    """
    if version.tags.get(APPROVED) == "false":
        raise UserError(
            f"{version.name} version {version.version} was registered although the gate did not approve it, so it can "
            "never be champion; train a model that the gate approves."
        )


def settle(name: str, only: str | None = None) -> State:
    """Turn the claim of the present champion into an event, and let the alias ``previous`` follow.

    Its own process does so at the end; if that was killed, the next one does.

    Args:
        only: do nothing if another version is the champion.

    Returns:
        The registered model as it is then.
    """
    state = versions.read(name)
    current = state.champion
    if current is None or CLAIM not in current.tags or only not in (None, str(current.version)):
        return state
    event = history.parse(current.tags[CLAIM])
    number = str(current.version)
    if event.previous is not None and event.previous in state.versions:
        _point(name, PREVIOUS, event.previous)
    else:
        _unpoint(name, PREVIOUS, state)
    # A version is not both champion and challenger.
    if state.aliases.get(CHALLENGER) == number:
        _unpoint(name, CHALLENGER, state)
    history.record(name, number, event)
    former = state.versions.get(event.replaced or "")
    if former is not None:
        runs.outcome(former.run_id, f"former {CHAMPION}, version {event.replaced}")
    runs.outcome(current.run_id, f"{CHAMPION}, version {number}")
    _drop_claim(name, number)
    return versions.read(name)


def _against_rivals(name: str, number: str, decide: Decide, seen: set[tuple[str, str, str]]) -> tuple[str, str]:
    """The winner among this version and those that were promoted at the same time, which then has the alias; and why.

    The later version competes with the earlier one, as if they had come one after the other.
    """
    winner, why = number, ""
    met = {number}
    while True:
        state = versions.read(name)
        rivals = sorted({mark[0] for mark in _marks(state) - seen} - met, key=int)
        if not rivals:
            found = state.aliases.get(CHAMPION)
            if found in met and found != winner:
                _point(name, CHAMPION, winner)
                continue
            if found != winner:  # somebody has set the alias without wav2tok
                winner, why = str(found), f"version {found} was made champion at the same time"
            for loser in met - {winner}:
                _drop_claim(name, loser)
            return winner, why
        for rival in rivals:
            met.add(rival)
            earlier, later = sorted((winner, rival), key=int)
            log.info(f"version {rival} was promoted at the same time; comparing with it")
            compared = decide(state.versions[later], state.versions[earlier])
            winner = later if compared.won else earlier
            why = f"version {winner} was promoted at the same time: {compared.why}"
        _point(name, CHAMPION, winner)


def _seen(state: State, replaced: str | None) -> set[tuple[str, str, str]]:
    """The marks that tell of no rival: earlier promotions, and claims to the place of another version."""
    return {mark for mark in _marks(state) if mark[1] != CLAIM or history.parse(mark[2]).replaced != replaced}


def _marks(state: State) -> set[tuple[str, str, str]]:
    """Every claim and every promotion of a registered model: (version, tag, value)."""
    return {
        (number, key, value)
        for number, version in state.versions.items()
        for key, value in version.tags.items()
        if key == CLAIM or (key.startswith(history.PREFIX) and history.parse(value).crowns)
    }


def _crown(name: str, number: str, event: Event) -> None:
    """Move the alias for a person, and see that it has stayed."""
    _claim(name, number, event)
    _point(name, CHAMPION, number)
    state = settle(name)
    found = state.aliases.get(CHAMPION)
    if found != number:
        _drop_claim(name, number)
        raise UserError(
            f"{name} version {found} was promoted at the same time and is the champion; look at wav2tok history, then "
            "promote again."
        )


def _require_expected(name: str, state: State, expected: str | None) -> None:
    found = state.aliases.get(CHAMPION)
    if found != expected:
        raise UserError(
            f"the champion of {name} has meanwhile become version {found or 'none'}, and the comparison was with "
            f"version {expected or 'none'}; promote again to compare with it."
        )


def _before(version: Any) -> str | None:
    """Which version was champion before this one became it the last time."""
    crowned = [event for event in history.of_version(version) if event.crowns]
    return crowned[-1].previous if crowned else None


def _last_reason(version: Any) -> str:
    crowned = [event for event in history.of_version(version) if event.crowns]
    return crowned[-1].why if crowned else "it was made champion without wav2tok"


def _claim(name: str, number: str, event: Event) -> None:
    versions.tag(name, number, CLAIM, event.value)


def _drop_claim(name: str, number: str) -> None:
    mlflow = connect()
    from mlflow.exceptions import MlflowException

    with reaching(mlflow):
        try:
            mlflow.MlflowClient().delete_model_version_tag(name, number, CLAIM)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # another process has dropped it
                raise


def _point(name: str, alias: str, number: str) -> None:
    """Set an alias; two processes that set it for the first time at once make MLflow's database refuse one of them."""
    mlflow = connect()
    from mlflow.exceptions import MlflowException

    with reaching(mlflow):
        for attempt in range(ATTEMPTS):
            try:
                mlflow.MlflowClient().set_registered_model_alias(name, alias, number)
                return
            except MlflowException as error:
                if error.error_code not in _PASSING or attempt == ATTEMPTS - 1:
                    raise
                time.sleep(0.05 * 2**attempt)


def _unpoint(name: str, alias: str, state: State) -> None:
    if alias in state.aliases:
        mlflow = connect()
        with reaching(mlflow):
            mlflow.MlflowClient().delete_registered_model_alias(name, alias)
