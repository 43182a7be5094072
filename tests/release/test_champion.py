"""Who is champion: by comparison, by a person, back again, two at once; in real stores."""

import re
import threading

import pytest

from tests import registrations
from tests.registrations import alias, decreed, versions_of
from wav2tok.errors import UserError
from wav2tok.release import champion, history, versions
from wav2tok.release.champion import Comparison


def rank(strength):
    """A comparison by the strength of each version's number."""

    def decide(ours, theirs):
        won = strength[str(ours.version)] > strength[str(theirs.version)]
        return Comparison(won, f"{strength[str(ours.version)]} against {strength[str(theirs.version)]}")

    return decide


def compete(name, number, decide, **options):
    return champion.contend(name, number, decide, lambda why: None, **options)


def test_the_better_one_moves_the_champion_and_previous_follows(exported):
    assert registrations.register(exported, "contest")[1].why == "there was no champion"
    assert alias("contest", "previous") is None
    number, lost = registrations.register(exported, "contest", wins=False)
    assert (number, lost.alias, lost.why) == ("2", "challenger", "version 2 against 1: False")
    assert (alias("contest"), alias("contest", "challenger")) == ("1", "2")
    number, won = registrations.register(exported, "contest")
    assert (number, won.alias) == ("3", "champion")
    assert (alias("contest"), alias("contest", "previous"), alias("contest", "challenger")) == ("3", "1", "2")
    assert compete("contest", "3", decreed(False)).alias == "champion"  # it is so already


def test_promoting_and_going_back_leave_their_story(exported):
    for wins in (True, False, True):
        registrations.register(exported, "story", wins=wins)
    event = champion.promote("story", "2", " it sounds better ", "3")
    assert (event.why, event.replaced, event.previous) == ("it sounds better", "3", "3")
    assert (alias("story"), alias("story", "previous"), alias("story", "challenger")) == ("2", "3", None)
    number, back = champion.rollback("story", "it did not")
    assert (number, back.replaced) == ("3", "2")
    assert (alias("story"), alias("story", "previous")) == ("3", "1")
    assert champion.rollback("story", "nor this")[0] == "1"
    assert (alias("story"), alias("story", "previous")) == ("1", None)
    with pytest.raises(UserError, match="version 1 replaced no earlier champion"):
        champion.rollback("story", "further")
    rows = history.read("story")
    assert [(row["event"], row["version"], row["replaced"]) for row in rows] == [
        ("registered", "1", None), ("promoted", "1", None), ("registered", "2", None), ("registered", "3", None),
        ("promoted", "3", "1"), ("promoted", "2", "3"), ("rolled back", "3", "2"), ("rolled back", "1", "3"),
    ]  # fmt: skip
    assert [row["why"] for row in rows[-3:]] == ["it sounds better", "it did not", "nor this"]
    assert all(re.fullmatch(r"\S+@\S+", row["by"]) for row in rows)
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert rows[0]["aliases"] == ["champion"]


def test_a_promotion_by_hand_is_refused_in_one_sentence_and_changes_nothing(exported):
    registrations.register(exported, "hand")
    registrations.register(exported, "hand", wins=False)
    with pytest.raises(UserError, match="the gate did not approve it"):
        registrations.register(exported, "hand", tags={"approved": "false"})
    for number, why, expected, message in (
        ("2", " ", "1", "the reason is empty"),
        ("2", "x" * 1001, "1", "has 1001 characters; at most 1000"),
        ("9", "so", "1", "hand version 9 cannot be promoted"),
        ("x", "so", "1", "hand version x cannot be promoted"),
        ("3", "so", "1", "the gate did not approve it, so it can never be champion"),
        ("1", "so", "1", "version 1 is the champion already"),
        ("2", "so", "7", "has meanwhile become version 1, and the comparison was with version 7"),
    ):
        with pytest.raises(UserError, match=message):
            champion.promote("hand", number, why, expected)
    with pytest.raises(UserError, match="can never be champion"):
        compete("hand", "3", decreed(True))
    with pytest.raises(UserError, match="nobody version 1 cannot be promoted"):
        champion.promote("nobody", "1", "so", None)
    with pytest.raises(UserError, match="nobody has no champion"):
        champion.rollback("nobody", "so")
    with pytest.raises(UserError, match="nobody has no versions"):
        history.read("nobody")
    assert alias("hand") == "1"
    assert "promoted" not in [row["event"] for row in history.read("hand") if row["version"] != "1"]


def test_a_winner_that_needs_approval_waits(exported):
    _, done = registrations.register(exported, "asked", manual=True)
    assert (done.alias, done.waiting) == ("challenger", True)
    assert done.why == "it waits for approval: there was no champion"
    assert alias("asked") is None
    assert versions.get("asked", "1", "").tags["approval"] == "waiting"
    champion.promote("asked", "1", "yes", None)
    assert (alias("asked"), versions.get("asked", "1", "").tags["approval"]) == ("1", "given")


def test_a_champion_that_changes_during_the_comparison_is_compared_with(exported):
    versions_of("moving", 3)
    compete("moving", "1", decreed(True))
    met = []

    def decide(ours, theirs):
        if not met:  # meanwhile, another process promotes version 2
            compete("moving", "2", decreed(True))
        met.append(str(theirs.version))
        return Comparison(True, "better")

    assert compete("moving", "3", decide).alias == "champion"
    assert met == ["1", "2"]
    assert (alias("moving"), alias("moving", "previous")) == ("3", "2")


@pytest.mark.parametrize("better", ["2", "3"])
@pytest.mark.parametrize("order", ["2 then 3", "3 then 2"])
def test_of_two_that_set_the_alias_at_once_the_better_one_stays(exported, better, order, monkeypatch):
    """The worst order of events, made to happen: both have compared with the old champion before either moves."""
    name = f"tie-{better}-{order[0]}"
    versions_of(name, 3)
    strength = {"1": 0, "2": 1, "3": 1} | {better: 2}
    compete(name, "1", decreed(True))
    second = order[-1]
    point, waiting = versions.point, threading.Event()

    def late(called, which, number):
        if which == "champion" and number == second and not waiting.is_set():
            waiting.set()  # from here on the other one does all its steps
            other = threading.Thread(target=lambda: results.append(compete(name, order[0], rank(strength))))
            other.start()
            other.join(120)
        point(called, which, number)

    results: list[champion.Standing] = []
    monkeypatch.setattr(versions, "point", late)
    results.append(compete(name, second, rank(strength)))
    assert len(results) == 2
    assert alias(name) == better
    state = versions.read(name)
    assert not [number for number, version in state.versions.items() if "claim" in version.tags]
    assert alias(name, "challenger") == ({"2", "3"} - {better}).pop()
    assert champion.rollback(name, "back")[0] == "1"


@pytest.mark.slow
@registrations.ON_BOTH
@pytest.mark.parametrize("attempt", range(2))
def test_many_at_once_leave_one_champion_the_best(exported, attempt):
    name = f"many-{attempt}"
    strength = {str(number): (7 * number + attempt) % 11 for number in range(1, 6)}
    versions_of(name, len(strength))
    barrier, results = threading.Barrier(len(strength)), {}

    def run(number):
        barrier.wait(60)
        results[number] = compete(name, number, rank(strength))

    threads = [threading.Thread(target=run, args=(number,)) for number in strength]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert set(results) == set(strength)
    best = max(strength, key=lambda number: strength[number])
    assert alias(name) == best
    assert not [number for number, version in versions.read(name).versions.items() if "claim" in version.tags]
