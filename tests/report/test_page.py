"""The page is complete, offline, well formed and reproducible, whatever the names of recordings are."""

import base64
import dataclasses
import hashlib
import io
import json
import re
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests import browser, helpers
from wav2tok.audio import decode
from wav2tok.config.parameters import from_dict
from wav2tok.corpus.recordings import Recordings
from wav2tok.evaluation.baselines.frames import log_mel
from wav2tok.evaluation.baselines.kmeans import kmeans, nearest
from wav2tok.evaluation.gate import Verdict
from wav2tok.evaluation.held_out import Judged
from wav2tok.evaluation.retrieval.evaluate import evaluate
from wav2tok.evaluation.retrieval.metrics import Estimate
from wav2tok.evaluation.retrieval.result import Judgement
from wav2tok.evaluation.spotting.metrics import Figures, Spotting
from wav2tok.matching.distances import edit_distances
from wav2tok.matching.ranking import average_precisions, hits
from wav2tok.report.page import examples, match, page, queries, sound

RATE = 16000
tune = partial(helpers.tune, sample_rate=RATE, note_samples=RATE // 10, harmonics=8, noise=0.02)
HOSTILE = ('<b onclick="x()">up', "down & 'out'", "</td></table><script>alert(1)</script>")
VERDICT = Verdict(False, ['MRR is 0.1 < 0.3 & "too" low.'])
PADDING = 2 * 1152
"""MP3 pads a recording to whole frames, samples."""
SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "link", "img", "br", "input"}


class Strict(HTMLParser):
    """Fails on unbalanced tags; collects elements, attributes and the visible text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" in self.open:
            self.scripts.append(data)
        elif "style" not in self.open:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Recordings:
    """Three singers, three tunes, one take each; the names are as hostile as file names can be."""
    root = tmp_path_factory.mktemp("page")
    paths, classes = [], []
    for number, (name, notes) in enumerate(zip(HOSTILE, ((0, 4, 7), (12, 5, 2), (3, 10, 3, 6)), strict=True)):
        for seed, singer in enumerate("abc"):
            paths.append(str(root / f"{singer}_<i>&'\"{number}.wav"))
            classes.append(name)
            decode.write(paths[-1], tune(notes, seed), RATE)
    return Recordings(tuple(paths), tuple(classes))


def judge(train: Recordings, test: Recordings) -> tuple[Judged, np.ndarray]:
    settings = {"tempos": [0.8], "semitones": [2], "snr_db": [5], "bootstrap": 20, "baselines": ["untrained"]}
    bands = log_mel(RATE)
    centroids = kmeans(np.concatenate(bands([decode.read(path, RATE) for path in train.paths])), 8, seed=1)
    few = nearest(bands, centroids[:2])
    config = from_dict({"evaluate": settings})
    return Judged(evaluate(train, test, nearest(bands, centroids), centroids, few, config), None), centroids


def changed(judged: Judged, part: str | None = None, **values) -> Judged:
    """``judged`` with other values in the result of retrieval, or in one part of it."""
    result = judged.retrieval
    if part is not None:
        values = {part: dataclasses.replace(getattr(result, part), **values)}
    return dataclasses.replace(judged, retrieval=dataclasses.replace(result, **values))


@pytest.fixture(scope="module")
def judged(corpus) -> Judged:
    """The corpus with a certain worst miss: the first query's right answers come last."""
    judged, _ = judge(corpus, corpus)
    answers = judged.retrieval.answers
    right = np.flatnonzero(answers.relevant[0])
    wrong = np.setdiff1d(np.flatnonzero(~answers.relevant[0]), answers.query_index[0])
    answers.order[0] = [*wrong, *right, -1]
    return judged


@pytest.fixture(scope="module")
def framewise(corpus):
    """One token per frame, as a tokenizer returns them."""
    bands = log_mel(RATE)
    return lambda waves: [frames[:, :8].argmax(axis=1) for frames in bands(waves)]


@pytest.fixture(scope="module")
def source(judged, framewise) -> str:
    return page.render(judged, VERDICT, RATE, framewise)


def players(source):
    """The sound of each player on a page: (samples, rate)."""
    return [heard(attributes["src"]) for attributes in Strict(source).all("audio") if "src" in attributes]


def heard(address):
    """The sound at a data address: (samples, rate)."""
    assert address.startswith(f"data:{sound.MIME};base64,")
    return soundfile.read(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_nothing_is_fetched_and_one_script_runs(source):
    parsed = Strict(source)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[^\"]*|>\{.*?</script>", "", source))
    for tag, attributes in parsed.elements:
        assert tag not in {"iframe", "object"}
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert name not in attributes or attributes[name].startswith(("data:", "#"))
    policy = next(meta["content"] for meta in parsed.all("meta") if "http-equiv" in meta)
    assert "default-src 'none'" in policy
    data, script = parsed.scripts
    assert [attributes.get("type") for attributes in parsed.all("script")] == ["application/json", None]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.partition("script-src ")[2] == f"'sha256-{digest}'"
    assert not set("<>&") & set(data)
    assert not re.search(r"innerHTML|eval|fetch|XMLHttpRequest|import\(", script)


def test_names_are_text_and_never_markup(source):
    parsed = Strict(source)
    for name in HOSTILE:
        assert name in parsed.text
    assert "_<i>&'\"" in parsed.text
    assert VERDICT.reasons[0] in parsed.text


def test_links_within_the_page_lead_somewhere(source):
    parsed = Strict(source)
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert [attributes["href"] for attributes in parsed.all("a")] == [f"#{one}" for one in ids[:-1]]
    assert ids == ["queries", "robustness", "confusions", "examples", "retrieval", "tokens", "cost", "answers"]


def test_what_is_judged_beside_the_task_has_a_table(judged):
    """Each variant is explained, and each system has its figures."""
    result = judged.retrieval
    halved = {
        name: {
            kind: {m: Estimate(one.value / 2, 0.0, 1.0) for m, one in found.items()} for kind, found in views.items()
        }
        for name, views in result.scores.items()
    }
    variants = {"never_heard": Judgement(7, 8.0, halved), "distractors": Judgement(9, 1008.0, halved, 1000)}
    beside = dataclasses.replace(judged, retrieval=dataclasses.replace(result, variants=variants))
    text = Strict(page.render(beside, VERDICT, RATE)).text
    assert "classes that no training recording has, searched among the recordings of all classes; 7 queries" in text
    assert text.count("with 1,000 distractors") == len(result.scores) * len(result.setting.kinds)
    assert f"{result.scores['wav2tok']['V']['mrr'].value / 2:.3f}" in text


def test_the_figures_are_those_of_the_result(source, judged):
    text = Strict(source).text
    for name, views in judged.retrieval.scores.items():
        assert judged.retrieval.setting.labels[name] in text
        for kind in judged.retrieval.setting.kinds:
            assert all(f"{one.value:.3f}" in text for one in views[kind].values())
    assert "Not approved" in text
    assert "9test recordings of 3 classes" in text
    assert source.count("<polyline") == 2 * len({*judged.retrieval.curves} - {"ROOM"}) * len(judged.retrieval.scores)
    assert "5 dB, room" in source
    assert "Approved by the gate" in Strict(page.render(judged, Verdict(True, []), RATE)).text


def test_the_same_result_gives_the_same_bytes(judged, framewise, tmp_path):
    for name in ("one.html", "two.html"):
        page.write(judged, VERDICT, tmp_path / name, RATE, framewise)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.html", "two.html"]


def test_players_play_the_recordings(source, judged):
    found = players(source)
    assert 2 + 3 <= len(found) <= 12
    whole = [len(decode.read(path, RATE)) for path in judged.retrieval.answers.paths]
    assert all(rate == RATE and min(abs(len(samples) - one) for one in whole) <= PADDING for samples, rate in found)
    title = re.search(r"\n([^\n]*): The first right answer ranks 7 of 8", Strict(source).text)
    assert title is not None
    assert HOSTILE[0] in title[1]


def test_long_recordings_are_cut_and_high_rates_lowered(tmp_path):
    wave = 0.5 * np.random.default_rng(0).uniform(-1, 1, 44100 * 14).astype(np.float32)
    part = sound.head(wave, 44100)
    samples, rate = heard(sound.address(part, 44100))
    assert rate == 16000
    assert len(samples) == pytest.approx(sound.SECONDS * rate, abs=PADDING)
    # White noise is the hardest to compress.
    assert len(sound.address(part, 44100)) < (1e5 if sound.MIME == "audio/mpeg" else 5e5)


@pytest.mark.parametrize(("rate", "played"), [(4000, 8000), (8000, 8000), (11000, 8000), (22050, 16000)])
def test_any_rate_can_be_played(rate, played):
    time = np.arange(rate) / rate
    samples, found = heard(sound.address((0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32), rate))
    assert found == played
    spectrum = np.abs(np.fft.rfft(samples[: played // 2]))
    assert spectrum.argmax() * 2 == pytest.approx(440, abs=4)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_spectrogram_shows_low_sounds_at_the_bottom_and_silence_dark(rate):
    def shades(wave):
        address = sound.spectrogram(wave.astype(np.float32), rate)
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("L"), float)

    seconds = np.arange(rate) / rate
    low, high = shades(0.3 * np.sin(2 * np.pi * 200 * seconds)), shades(0.3 * np.sin(2 * np.pi * 3000 * seconds))
    assert low.mean(axis=1).argmax() > high.mean(axis=1).argmax()
    assert shades(np.zeros(rate)).max() < 5
    assert shades(np.ones(10) * 0.1).shape[0] == low.shape[0]


def test_tokens_along_time_fill_the_recordings_length(source, judged, framewise):
    strips = re.findall(r'<div class="blocks">(.*?)</div>', source)
    assert len(strips) == len(players(source))
    wanted = {len(framewise([decode.read(path, RATE)])[0]) for path in judged.retrieval.answers.paths}
    for strip in strips:
        assert sum(map(int, re.findall(r"--n:(\d+)", strip))) in wanted
    assert '<div class="blocks">' not in page.render(judged, VERDICT, RATE)


def alignment(query, answer):
    """The HTML of an alignment."""
    shown = examples.alignment(query, answer, "Right answer")
    return str(page.TEMPLATES.get_template("case.html").module.alignment(shown))


def test_the_alignment_shows_every_edit():
    query, answer = np.array([1, 2, 3, 4, 5, 6]), np.array([1, 9, 3, 5, 6, 7])
    shown = alignment(query, answer)
    Strict(shown)
    columns = re.findall(r'<span class="(\w*)">(.*?)<u>.</u>(.*?)</span>', shown)
    assert [kind for kind, _, _ in columns] == ["", "sub", "", "del", "", "", "ins"]
    for row, string in ((1, query), (2, answer)):
        numbers = [re.findall(r">(\d+)<", column[row]) for column in columns]
        assert [int(number) for found in numbers for number in found] == string.tolist()
    assert "4 the same (=), 1 substituted (≠), 1 only in the query (−), 1 only in the answer (+)" in shown
    assert f"= {edit_distances([query], [answer])[0, 0]:.3f}" in shown


def test_an_empty_string_matches_nothing_and_a_long_one_is_cut():
    assert "nothing to match" in alignment(np.zeros(0, int), np.array([1]))
    long = np.arange(1000)
    shown = alignment(long, long)
    assert "and 760 more" in shown
    assert shown.count("<span") == 240


def test_list_data_has_no_classes_and_queries_with_changed_recordings(corpus):
    result, _ = judge(corpus, Recordings(corpus.paths[::2]))
    parsed = Strict(page.render(result, VERDICT, RATE))
    assert "queries at tempo 0.8" in parsed.text
    assert "confusions" not in [attributes.get("id") for _, attributes in parsed.elements]
    (asked, _), (answered, _) = players(page.render(result, VERDICT, RATE))[:2]
    assert len(asked) == pytest.approx(len(answered) / 0.8, abs=PADDING)


def test_queries_with_an_empty_string_are_reported(judged):
    answers = judged.retrieval.answers
    order, asking = answers.order.copy(), list(answers.asking)
    order[4], asking[4] = -1, np.zeros(0, int)
    parsed = Strict(page.render(changed(judged, "answers", order=order, asking=asking), VERDICT, RATE))
    assert "1 queries have an empty string" in parsed.text
    assert "no answer" in parsed.text


def test_spotting_is_on_the_page_if_it_was_measured(judged):
    names = ("f1", "precision", "recall", "mtwv", "mrr", "map", "p_at_1", "r_at_10")
    scores = {name: Estimate(0.1 + i / 20, 0.1, 0.9) for i, name in enumerate(names)}
    figures = Figures(
        "wav2tok, edit <distance>", scores, threshold=-2.5, training_f1=0.512, localized=0.7, search_ms=1.5
    )
    spotting = Spotting("words & all", 40, 600.0, 70, 12, 30, 100, {"wav2tok": figures})
    parsed = Strict(page.render(dataclasses.replace(judged, spotting=spotting), VERDICT, RATE))
    assert "spotting-words" in [attributes.get("id") for _, attributes in parsed.elements]
    for part in ("words & all", "wav2tok, edit <distance>", "0.512", "-2.50", f"{scores['mtwv'].value:.3f}"):
        assert part in parsed.text


def test_systems_that_were_not_evaluated_are_named(judged):
    source = page.render(changed(judged, "setting", absent=("HuBERT", "<i>x & y")), VERDICT, RATE)
    assert "Not on this disk, so not evaluated: HuBERT, <i>x & y." in Strict(source).text
    assert "Not on this disk" not in page.render(changed(judged, "setting", absent=()), VERDICT, RATE)


def test_a_name_that_is_not_utf8_can_be_written(judged, tmp_path):
    odd = changed(judged, "answers", classes=tuple(f"{name}\udce9" for name in judged.retrieval.answers.classes or ()))
    page.write(odd, VERDICT, tmp_path / "report.html", RATE)
    Strict((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_marks_show_where_a_baseline_differs(judged):
    ours = [one for one in judged.retrieval.significance if one.system == "wav2tok" and one.metric == "mrr"]
    lead = dataclasses.replace(ours[0], difference=Estimate(0.4, 0.3, 0.5), p_holm=0.001)
    lag = dataclasses.replace(ours[0], metric="map", difference=Estimate(-0.4, -0.5, -0.3), p_holm=0.001)
    luck = dataclasses.replace(lead, p_holm=0.2)
    source = page.render(changed(judged, significance=(lead, lag)), VERDICT, RATE)
    assert source.count('<span class="mark">▼</span>') == source.count('<span class="mark">▲</span>') == 1
    assert '<span class="mark">' not in page.render(changed(judged, significance=(luck,)), VERDICT, RATE)


def test_an_unreadable_recording_leaves_no_page(judged, tmp_path):
    gone = changed(judged, "answers", paths=tuple(f"{path}.gone" for path in judged.retrieval.answers.paths))
    with pytest.raises(decode.UnreadableError, match="gone"):
        page.write(gone, VERDICT, tmp_path / "report.html", RATE)
    assert list(Path(tmp_path).iterdir()) == []


def test_the_result_comes_first_and_the_terms_before_any_table(source, judged):
    text = Strict(source).text
    scores = judged.retrieval.scores
    ours, theirs = (scores[name]["V"] for name in ("wav2tok", "untrained"))
    result = re.sub(r"\s+", " ", text)
    assert f"our tokens reach MRR {ours['mrr'].value:.3f} and MAP {ours['map'].value:.3f} on V" in result
    assert f"untrained encoder, edit distance, reaches MRR {theirs['mrr'].value:.3f} and MAP" in result
    assert "The gate did not approve the model." in result
    table = source.index("<table")
    for term in ("V", "TS", "PS", "MRR", "MAP"):
        assert source.index(f"<dt>{term}</dt>") < table
    assert source.index('class="ranking"') < table
    gate = source.index('<details class="verdict bad"><summary>')
    assert gate < source.index("MRR is 0.1 &lt; 0.3") < source.index("</details>", gate)


def test_the_page_says_where_its_figures_come_from(judged):
    origin = page.Origin("2026-11-28", "0123abcdef", None, "wav2tok, epoch 3", None, "7")
    source = page.render(judged, VERDICT, RATE, origin=origin)
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", source[: source.index("<details")])
    assert found == [("date", "2026-11-28"), ("commit", "0123abcdef"), ("model", "wav2tok, epoch 3"), ("seed", "7")]
    assert 'class="origin"' not in page.render(judged, VERDICT, RATE)


def listed(source):
    """The data of the page's script."""
    return json.loads(Strict(source).scripts[0])


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


def test_a_match_is_drawn_with_its_alignment(judged, framewise, tmp_path):
    path = tmp_path / "match.svg"
    assert match.write(judged.retrieval, path, RATE, framewise)
    source = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(source)
    same = len(re.findall(r'stroke="#1f5fa8"', source))
    assert f"{same} tokens the same" in "".join(root.itertext())
    assert all(one.get("href", "").startswith("data:image/png") for one in root.iter(f"{SVG}image"))
    match.write(judged.retrieval, tmp_path / "again.svg", RATE, framewise)
    assert (tmp_path / "again.svg").read_bytes() == path.read_bytes()


def test_without_a_right_answer_there_is_no_picture_of_a_match(judged, framewise, tmp_path):
    path = tmp_path / "match.svg"
    path.write_text("of an earlier evaluation")
    wrong = changed(judged, "answers", relevant=np.zeros_like(judged.retrieval.answers.relevant))
    assert not match.write(wrong.retrieval, path, RATE, framewise)
    assert not path.exists()


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
