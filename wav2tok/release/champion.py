"""Which version is the champion: promotion by a comparison or by a person, and rollback.

A promotion that finds another one at the same time (`wav2tok.release.claims`) lets the two compete, and goes on looking
until nobody new has appeared. The next promotion completes or drops the claim of a process that was killed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from wav2tok.errors import UserError
from wav2tok.progress import log
from wav2tok.release import claims, history, versions
from wav2tok.release.history import Event
from wav2tok.release.versions import APPROVAL, APPROVED, CHALLENGER, CHAMPION, GIVEN, PREVIOUS, WAITING, State
from wav2tok.tracking import runs
from wav2tok.tracking.store import existing


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
        claims.make(name, number, event)
        versions.point(name, CHAMPION, number)
        winner, why = _against_rivals(name, number, decide, claims.seen(state, replaced))
        if winner != number:
            note(why)
            return challenge(name, number, why)
        settle(name, number)
        return Standing(CHAMPION, found.why)


def challenge(name: str, number: str, why: str) -> Standing:
    """Make a version the challenger."""
    versions.point(name, CHALLENGER, number)
    run_id = versions.get(name, number, f"{name} version {number} cannot be the challenger").run_id
    runs.outcome(run_id, f"{CHALLENGER}, version {number}")
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
    if current is None or claims.CLAIM not in current.tags or only not in (None, str(current.version)):
        return state
    event = history.parse(current.tags[claims.CLAIM])
    number = str(current.version)
    if event.previous is not None and event.previous in state.versions:
        versions.point(name, PREVIOUS, event.previous)
    else:
        versions.unpoint(name, PREVIOUS, state)
    # A version is not both champion and challenger.
    if state.aliases.get(CHALLENGER) == number:
        versions.unpoint(name, CHALLENGER, state)
    history.record(name, number, event)
    former = state.versions.get(event.replaced or "")
    if former is not None:
        runs.outcome(former.run_id, f"former {CHAMPION}, version {event.replaced}")
    runs.outcome(current.run_id, f"{CHAMPION}, version {number}")
    claims.drop(name, number)
    return versions.read(name)


def _against_rivals(name: str, number: str, decide: Decide, seen: set[tuple[str, str, str]]) -> tuple[str, str]:
    """The winner among this version and those that were promoted at the same time, which then has the alias; and why.

    The later version competes with the earlier one, as if they had come one after the other.
    """
    winner, why = number, ""
    met = {number}
    while True:
        state = versions.read(name)
        rivals = sorted({mark[0] for mark in claims.marks(state) - seen} - met, key=int)
        if not rivals:
            found = state.aliases.get(CHAMPION)
            if found in met and found != winner:
                versions.point(name, CHAMPION, winner)
                continue
            if found != winner:  # somebody has set the alias without wav2tok
                winner, why = str(found), f"version {found} was made champion at the same time"
            for loser in met - {winner}:
                claims.drop(name, loser)
            return winner, why
        for rival in rivals:
            met.add(rival)
            earlier, later = sorted((winner, rival), key=int)
            log.info(f"version {rival} was promoted at the same time; comparing with it")
            compared = decide(state.versions[later], state.versions[earlier])
            winner = later if compared.won else earlier
            why = f"version {winner} was promoted at the same time: {compared.why}"
        versions.point(name, CHAMPION, winner)


def _crown(name: str, number: str, event: Event) -> None:
    """Move the alias for a person, and see that it has stayed."""
    claims.make(name, number, event)
    versions.point(name, CHAMPION, number)
    state = settle(name)
    found = state.aliases.get(CHAMPION)
    if found != number:
        claims.drop(name, number)
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
