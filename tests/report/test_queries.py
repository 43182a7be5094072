"""Every query of an evaluation with its answers, also in a browser."""

import base64
import io
import json

import numpy as np
import pytest
import soundfile

from tests import browser
from tests.report.pages import HOSTILE, PADDING, RATE, VERDICT, judge, listed
from wav2tok.audio import decode
from wav2tok.corpus.recordings import Recordings
from wav2tok.matching.ranking import average_precisions, hits
from wav2tok.report.page import page, queries


def test_every_query_has_all_its_answers_and_each_sound_is_there_once(source, judged):
    answers, data = judged.retrieval.answers, listed(source)
    assert len(data["sounds"]) == len(answers.paths) == len(set(data["sounds"]))
    for index, text in enumerate(data["sounds"]):
        samples, _ = soundfile.read(io.BytesIO(base64.b64decode(text)))
        assert len(samples) == pytest.approx(len(decode.read(answers.paths[index], RATE)), abs=PADDING)
        assert source.count(text) <= 1 + source.count("<audio")
    found = hits(answers.order, answers.relevant)
    precision = average_precisions(found, answers.relevant.sum(axis=1))
    for one in data["queries"]:
        (q,) = np.flatnonzero(answers.query_index == one["asks"])
        assert one["order"] == answers.order[q][answers.order[q] >= 0].tolist()
        assert one["right"] == np.flatnonzero(found[q]).tolist()
        assert one["precision"] == pytest.approx(precision[q], abs=1e-3)
        assert one["distances"] == pytest.approx(answers.distances[q, one["order"]], abs=1e-3)
    assert len(data["queries"]) == len(answers.query_index)
    assert [one["precision"] for one in data["queries"]] == sorted(one["precision"] for one in data["queries"])


def test_beyond_the_limit_the_worst_queries_are_heard_first(judged):
    full = queries.browser(judged.retrieval, RATE)
    least = max(len(text) for text in json.loads(full["data"])["sounds"])
    few = queries.browser(judged.retrieval, RATE, limit=3 * least)
    data = json.loads(few["data"])
    assert 3 <= few["heard"] < len(data["sounds"])
    assert sum(len(text or "") for text in data["sounds"]) <= 3 * least
    assert all(data["sounds"][one["asks"]] for one in data["queries"][:3])
    assert (full["heard"], full["recordings"]) == (9, 9)


def test_changed_queries_have_sounds_of_their_own(corpus):
    result, _ = judge(corpus, Recordings(corpus.paths[::2]))
    data = listed(page.render(result, VERDICT, RATE))
    assert data["classes"] is None
    for one in data["queries"]:
        asked, answered = (
            len(soundfile.read(io.BytesIO(base64.b64decode(text)))[0])
            for text in (one["sound"], data["sounds"][one["asks"]])
        )
        assert asked == pytest.approx(answered / 0.8, abs=2 * PADDING)


needs_browser = pytest.mark.skipif(browser.program() is None, reason="no Chromium")


@pytest.fixture(scope="module")
def shown(judged, framewise, tmp_path_factory):
    """The page as a file, with an origin."""
    path = tmp_path_factory.mktemp("shown") / "report.html"
    page.write(judged, VERDICT, path, RATE, framewise, page.Origin("2026-11-28", "0123abcdef", "d", "m", "r", "0"))
    return path


@pytest.fixture(scope="module")
def window():
    """A page of a browser."""
    with browser.page() as opened:
        yield opened


@needs_browser
@pytest.mark.parametrize(("width", "highest"), [(1280, 6000), (390, 9000)])
def test_a_page_is_short_and_does_not_overflow(shown, window, width, highest):
    for scripts in (True, False):
        window.open(shown, width, scripts=scripts)
        assert window.value("document.documentElement.scrollWidth") <= width
        assert 1000 < window.value("document.documentElement.scrollHeight") < highest
        assert window.problems() == []


TABLE = "[...document.querySelectorAll('[data-part=rows] tr')].map(row => row.cells[0].textContent)"


def set_to(name, value):
    """A script that chooses ``value`` in the page's control ``name``."""
    return f"""(() => {{ const control = document.querySelector('[data-part={name}]'); control.value = {value!r};
    control.dispatchEvent(new Event('change')); }})()"""


@needs_browser
def test_queries_can_be_filtered_and_sorted(shown, window, judged):
    window.open(shown, 1280)
    names = [f"{HOSTILE[int(name[-5])]}: {name}" for name in listed(shown.read_text(encoding="utf-8"))["names"]]
    worst = [names[one["asks"]] for one in listed(shown.read_text(encoding="utf-8"))["queries"]]
    assert window.value(TABLE) == worst
    window.value(set_to("order", "best"))
    assert window.value(TABLE) == worst[::-1]
    window.value(set_to("order", "worst"))
    choices = window.value("[...document.querySelectorAll('[data-part=class] option')].map(one => one.textContent)")
    assert sorted(choices[1:]) == sorted(HOSTILE)
    window.value(set_to("class", "1"))
    assert window.value(TABLE) == [name for name in worst if name.startswith(choices[2] + ": ")]
    window.value(set_to("class", ""))
    window.value(set_to("outcome", "wrong"))
    found = hits(judged.retrieval.answers.order, judged.retrieval.answers.relevant)
    assert len(window.value(TABLE)) == (~found[:, 0]).sum()
    assert window.problems() == []


@needs_browser
def test_every_rank_of_a_query_can_be_heard(shown, window, judged):
    window.open(shown, 390)
    count = len(judged.retrieval.answers.query_index)
    for row in range(count):
        window.value(f"document.querySelectorAll('[data-part=rows] button')[{row}].click()")
        buttons = window.value("document.querySelectorAll('[data-part=ranks] button').length")
        ranked = window.value("document.querySelectorAll('[data-part=ranks] tr').length")
        assert buttons == ranked >= 8
    window.value("document.querySelectorAll('[data-part=ranks] button')[2].click()")
    seconds = """new Promise(resolve => { const player = document.querySelector('[data-part=player]');
    if (player.duration) resolve(player.duration); player.ondurationchange = () => resolve(player.duration);
    player.onerror = () => resolve(player.error.message); })"""
    assert window.value(seconds) == pytest.approx(0.35, abs=0.3)
    assert window.value("document.querySelector('[data-part=playing]').textContent").startswith("2: ")
    assert window.value("document.documentElement.scrollWidth") <= 390
    assert window.problems() == []


@needs_browser
def test_without_scripts_the_worst_queries_are_listed(shown, window):
    window.open(shown, 1280, scripts=False)
    data = listed(shown.read_text(encoding="utf-8"))
    assert len(window.value(TABLE)) == len(data["queries"]) == 9
    assert window.value("document.querySelector('.answers').checkVisibility()") is False
    assert window.value("document.querySelector('.controls').checkVisibility()") is False
