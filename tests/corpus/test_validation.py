"""Validation with a real Great Expectations checkpoint: every check has a corpus that fails it, and it alone."""

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from wav2tok.config import parameters
from wav2tok.config import schema as configuration
from wav2tok.corpus import checks, datadocs, manifest, past, validation
from wav2tok.errors import UserError

CONFIG = parameters.from_dict({"validate": {"max_seconds": 5.0}})


def write(path: Path, seconds: float = 0.5, rate: int = 16000, amplitude: float = 0.1, pause: float = 0.0) -> Path:
    """White noise, then digital silence for ``pause`` seconds; another for every path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(list(path.name.encode() + path.parent.name.encode()))
    sound = generator.standard_normal(round(seconds * rate)) * amplitude
    soundfile.write(path, np.concatenate([sound, np.zeros(round(pause * rate))]).clip(-1, 1), rate)
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Nothing wrong with it: three classes of four; one is called like a missing value."""
    root = tmp_path / "data"
    for class_name in ("yes", "no", "nan"):
        for i in range(4):
            write(root / class_name / f"speaker{i}_0.{'flac' if i % 2 else 'wav'}")
    return root


def run(root: Path, config: configuration.Config = CONFIG) -> tuple[str, dict]:
    """The critical sentence ("" if it passed) and ``validation.json``."""
    out = root.parent / "validation"
    try:
        validation.validate(root, out, config)
        sentence = ""
    except UserError as error:
        sentence = str(error)
    return sentence, json.loads((out / "validation.json").read_text())


def test_a_clean_corpus_passes_everything(corpus):
    report = validation.validate(corpus, corpus.parent / "out", CONFIG)
    assert report.warnings == []
    entries = manifest.build(corpus)
    assert entries == manifest.read_csv(corpus.parent / "out" / "manifest.csv")
    assert report.summary == json.loads((corpus.parent / "out" / "validation.json").read_text())
    checks = report.summary.pop("checks")
    assert report.summary == {
        "success": True,
        "files": 12,
        "recordings": 12,
        "unreadable": 0,
        "hours": round(6 / 3600, 6),
        "classes": 3,
        "groups": 4,
        "sources": 0,
        "sample_rates": {"16000": 12},
        "digest": manifest.manifest_digest(entries),
        "compared": {"says": "No data was accepted before, so there is nothing to compare with.", "shifts": []},
    }
    assert {c["name"] for c in checks} == {*CRITICAL, *WARNINGS}
    assert all(c["success"] and c["unexpected"] == 0 and c["offenders"] == [] for c in checks)
    assert report.docs == corpus.parent / "out" / "docs" / "index.html"
    # Once a check, and once in the history, for this validation.
    assert report.docs.read_text().count("✓ passed") == len(checks) + 1


def across_classes(root: Path) -> None:
    shutil.copy(root / "yes" / "speaker0_0.wav", root / "no" / "copy_0.wav")


def many_unreadable(root: Path) -> None:
    for i in range(2):
        (root / "yes" / f"bad{i}_0.wav").write_text("no audio")


def too_short(root: Path) -> None:
    for i in range(4):
        write(root / "no" / f"short{i}_0.wav", 0.05)


def silent(root: Path) -> None:
    write(root / "no" / "silent_0.wav", amplitude=0.0005)


# {check: (the corpus made wrong, other checks that fail with it, recordings, what the sentence says)}
CRITICAL: dict[str, tuple[Callable[[Path], object], set[str], int, str]] = {
    "too_many_unreadable": (
        many_unreadable,
        {"unreadable"},
        2,
        "yes/bad0_0.wav (cannot be read as audio (Format not recognised)), yes/bad1_0.wav",
    ),
    "too_short": (
        too_short,
        set(),
        4,
        "4 of 16 files, no/short0_0.wav (0.05 s), no/short1_0.wav (0.05 s), no/short2_0.wav (0.05 s), ...; fix",
    ),
    "silent": (silent, set(), 1, "no/silent_0.wav (-66."),
    "duplicate_across_classes": (
        across_classes,
        {"duplicate", "shared_audio"},
        2,
        "no/copy_0.wav (in 2 classes), yes/speaker0_0.wav (in 2 classes)",
    ),
}


@pytest.mark.parametrize("name", CRITICAL)
def test_a_critical_check_fails_and_stops(corpus, name):
    spoil, others, number, says = CRITICAL[name]
    spoil(corpus)
    sentence, summary = run(corpus)
    assert f"{name}: " in sentence
    assert says in sentence
    assert str(corpus.parent / "validation" / "docs" / "index.html") in sentence
    failed = {c["name"]: c for c in summary["checks"] if not c["success"]}
    assert set(failed) == {name, *others}
    assert (failed[name]["severity"], failed[name]["unexpected"]) == ("critical", number)
    assert len(failed[name]["offenders"]) == number
    assert summary["success"] is False
    assert len(manifest.read_csv(corpus.parent / "validation" / "manifest.csv")) == summary["files"]


def unreadable(root: Path) -> None:
    for i in range(8):  # 1 of 21 is under five in a hundred
        write(root / "yes" / f"more{i}_0.wav")
    (root / "yes" / "bad_0.wav").write_text("no audio")


def window(root: Path) -> None:
    sound, rate = soundfile.read(write(root / "yes" / "whole_0.wav", 2.0))
    soundfile.write(root / "yes" / "part_0.wav", sound[8000:], rate)


def duplicate(root: Path) -> None:
    shutil.copy(root / "yes" / "speaker0_0.wav", root / "yes" / "copy_0.wav")


def encoded(root: Path, class_name: str) -> None:
    sound, rate = soundfile.read(root / "yes" / "speaker0_0.wav")
    soundfile.write(root / class_name / "phone_0.au", sound, rate, subtype="ULAW")


def with_offset(root: Path) -> None:
    wave, rate = soundfile.read(write(root / "no" / "offset_0.wav"))
    soundfile.write(root / "no" / "offset_0.wav", (wave + 0.3).clip(-1, 1), rate)


def cancelling(root: Path) -> None:
    wave, rate = soundfile.read(write(root / "no" / "cable_0.wav"))
    soundfile.write(root / "no" / "cable_0.wav", np.stack([wave, -wave], axis=1), rate)


WARNINGS: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "unreadable": (unreadable, 1, "1 of 21 files, yes/bad_0.wav (cannot be read as audio (Format not recognised))"),
    "too_long": (lambda root: write(root / "no" / "long_0.wav", 5.1), 1, "no/long_0.wav (5.1 s)"),
    "offset": (with_offset, 1, "no/offset_0.wav (0.3)"),
    "doubtful": (cancelling, 1, "no/cable_0.wav (has channels that cancel each other, so only channel 1 is used)"),
    "mostly_silence": (lambda root: write(root / "no" / "pause_0.wav", 0.1, pause=1.9), 1, "no/pause_0.wav (95.0%)"),
    "clipped": (lambda root: write(root / "no" / "loud_0.wav", amplitude=0.5), 1, "no/loud_0.wav (4."),
    "duplicate": (duplicate, 2, "yes/copy_0.wav (SHA-256 "),
    "copy": (lambda root: encoded(root, "yes"), 2, "yes/phone_0.au (2 encodings)"),
    "copy_across_classes": (lambda root: encoded(root, "no"), 2, "no/phone_0.au (in 2 classes)"),
    "shared_audio": (window, 2, "yes/whole_0.wav (of the source yes/part_0.wav)"),
    "lone_recording": (lambda root: write(root / "maybe" / "speaker0_0.wav"), 1, "maybe/speaker0_0.wav (1 in its "),
    "low_sample_rate": (lambda root: write(root / "no" / "phone_0.wav", rate=8000), 1, "no/phone_0.wav (8000 Hz)"),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_a_warning_is_reported_and_does_not_stop(corpus, name):
    spoil, number, says = WARNINGS[name]
    spoil(corpus)
    report = validation.validate(corpus, corpus.parent / "validation", CONFIG)
    # A copy shares its audio, too.
    also = {"duplicate": ["shared_audio"], "copy": ["shared_audio"], "copy_across_classes": ["copy", "shared_audio"]}
    expected = [check for check in WARNINGS if check in (name, *also.get(name, ()))]
    assert [text.partition(":")[0] for text in report.warnings] == expected
    assert says in report.warnings[expected.index(name)]
    failed = [c for c in report.summary["checks"] if not c["success"]]
    assert [(c["name"], c["severity"], c["unexpected"]) for c in failed] == [
        (failing, "warning", number) for failing in expected
    ]
    assert report.summary["success"] is True
    entries = manifest.read_csv(corpus.parent / "validation" / "manifest.csv")
    assert len([e for e in entries if not e.error]) == report.summary["recordings"]


def test_the_tables_of_these_tests_and_of_the_code_agree():
    declared = checks.checks(CONFIG.validate, 16000)
    assert {c.name for c in declared if c.severity == "critical"} == set(CRITICAL)
    assert {c.name for c in declared if c.severity == "warning"} == set(WARNINGS)


@pytest.mark.parametrize(
    ("rates", "low"), [((8000, 8000), 0), ((44100, 16000), 0), ((22050, 8000), 1), ((8000, 11025), 1)]
)
def test_a_low_sample_rate_matters_only_among_higher_ones(tmp_path, rates, low):
    for i, rate in enumerate(rates):
        write(tmp_path / "data" / "a" / f"s{i}_0.wav", rate=rate)
    (check,) = [c for c in run(tmp_path / "data")[1]["checks"] if c["name"] == "low_sample_rate"]
    assert check["unexpected"] == low


def test_the_share_of_unreadable_files_is_inclusive(corpus):
    many_unreadable(corpus)  # 2 of 14
    for share, stops in ((2 / 14, False), (0.14, True), (1.0, False)):
        limits = dataclasses.replace(CONFIG.validate, max_unreadable_share=share)
        assert bool(run(corpus, dataclasses.replace(CONFIG, validate=limits))[0]) is stops


def test_nothing_to_judge(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(UserError, match="holds no recordings"):
        validation.validate(tmp_path / "data", tmp_path / "out", CONFIG)
    (tmp_path / "data" / "a.wav").write_text("no audio")
    with pytest.raises(UserError, match="too_many_unreadable"):
        validation.validate(tmp_path / "data", tmp_path / "out", CONFIG)
    lenient = parameters.from_dict({"validate": {"max_unreadable_share": 1.0}})
    with pytest.raises(UserError, match="holds no readable recording"):
        validation.validate(tmp_path / "data", tmp_path / "out", lenient)


def test_data_docs_stand_alone(corpus):
    name = "x$b_<img src=x onerror=alert(1)>&ü.wav"
    write(corpus / "no" / name, 0.05)
    too_short(corpus)
    run(corpus)
    docs = corpus.parent / "validation" / "docs"
    pages = {p.relative_to(docs).parts[0]: p.read_text() for p in docs.rglob("*.html")}
    assert sorted(pages) == ["expectations", "index.html", "validations"]
    assert sum(p.is_file() for p in docs.rglob("*")) == 4
    for page in pages.values():
        assert not re.search(r"https?:|<script|<link|<img|url\(", page)
        assert page.count("<style>") == 1
        assert str(corpus) not in page
    for page in (pages["index.html"], pages["validations"]):
        assert "no/short0_0.wav" in page
        assert "x$b_&lt;img src=x onerror=alert(1)&gt;&amp;ü.wav" in page
    for check in checks.checks(CONFIG.validate, 16000):
        assert check.name in pages["index.html"]
        assert f"{check.name} ({check.severity})" in pages["validations"]
    links = re.findall(r'href="([^"#]+)"', pages["index.html"])
    assert len(set(links)) == 2
    assert all((docs / link).is_file() for link in links)


def test_earlier_validations_are_kept_with_their_pages_up_to_a_number(corpus, monkeypatch):
    monkeypatch.setattr(past, "KEPT", 2)
    docs = corpus.parent / "validation" / "docs"
    validations = []
    for spoil in (None, silent, None):
        if spoil:
            spoil(corpus)
        run(corpus)
        validations.append(past.read(docs))
    assert [len(one) for one in validations] == [1, 2, 2]
    first, bad, still = [*validations[0], *validations[2]]
    assert validations[1] == [first, bad]
    assert (first.success, first.failed, first.recordings) == (True, [], 12)
    assert (bad.success, bad.failed, bad.recordings) == (False, ["silent"], 13)
    assert bad.digest == still.digest != first.digest
    pages = sorted(path.relative_to(docs).as_posix() for path in (docs / "validations").rglob("*.html"))
    assert pages == sorted([bad.page, still.page])  # the first page is no longer kept
    links = re.findall(r'<td class="name"><a href="([^"]+)"', (docs / "index.html").read_text())
    assert links == [still.page, bad.page]


def test_the_docs_are_kept_where_dvc_has_deleted_the_other_outputs(corpus):
    """As it does before the stage runs: only the docs persist."""
    run(corpus)
    for name in ("manifest.csv", "validation.json"):
        (corpus.parent / "validation" / name).unlink()
    run(corpus)
    assert len(past.read(corpus.parent / "validation" / "docs")) == 2


def test_a_broken_history_is_named_before_anything_is_written(corpus):
    run(corpus)
    path = corpus.parent / "validation" / "docs" / "history.json"
    path.write_text('{"validations": [{"at": 3}]}')
    with pytest.raises(UserError, match=r"history\.json is not as it was written: validations\.0\.at is 3"):
        validation.validate(corpus, corpus.parent / "validation", CONFIG)


def test_data_docs_show_the_distributions(corpus):
    for i in range(23):
        write(corpus / f"many{i:02d}" / "other<b>_0.wav", 0.5 + i / 100)
        write(corpus / f"many{i:02d}" / "other<b>_1.wav", 1.5)
    unreadable(corpus)
    _, summary = run(corpus)
    page = (corpus.parent / "validation" / "docs" / "index.html").read_text()
    figures = dict(re.findall(r"<figcaption>(.*?)</figcaption>(.*?)</figure>", page))
    assert list(figures) == ["Length", "Level", "Classes", "Groups"]
    for title in ("Length", "Level"):
        bars = [int(number) for number in re.findall(r": (\d+) recordings?</title>", figures[title])]
        assert sum(bars) == summary["recordings"]
    assert figures["Classes"].count("<rect") == 20
    assert f"{summary['classes']} classes, the 20 largest and {summary['classes'] - 20} more" in figures["Classes"]
    assert "other&lt;b&gt;: 46 recordings" in figures["Groups"]
    for body in figures.values():
        ElementTree.fromstring(body[body.index("<svg") :])


def test_offline_keeps_text_and_links_of_our_own():
    page = (
        '<html><head><link href="https://a/b.css"><script src="https://c"></script></head><body>'
        '<a href="https://gx.io">GX</a> <a href="../index.html">Home</a><script>run()</script></body></html>'
    )
    body = datadocs.offline(page).partition("<body>")[2]
    assert body == 'GX <a href="../index.html">Home</a></body></html>'


def test_an_expectation_that_cannot_be_computed_is_no_verdict(corpus, tmp_path):
    frame = checks.frame(manifest.build(corpus)).drop(columns="seconds")
    with pytest.raises(RuntimeError, match="too_short could not be computed"):
        validation.run(checks.checks(CONFIG.validate, 16000), frame, tmp_path / "docs")
