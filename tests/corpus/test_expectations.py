"""``expectations.yaml``: a project's own expectations, changed built-in checks, and broken files."""

from pathlib import Path

import pytest
import yaml

from tests.corpus.test_validation import CONFIG, corpus, write  # noqa: F401  (a fixture)
from wav2tok.corpus import inbox, validation
from wav2tok.corpus.checks import COLUMNS, checks, frame
from wav2tok.corpus.expectations import FILE, comparisons, suite
from wav2tok.corpus.manifest import Entry
from wav2tok.corpus.moved import SEVERITIES
from wav2tok.errors import UserError

BUILT_IN = checks(CONFIG.validate, 16000)
PROJECT = Path(__file__).resolve().parents[2]
OWN = {
    "name": "speakers",
    "severity": "critical",
    "expectation": "ExpectColumnValuesToMatchRegex",
    "column": "group",
    "regex": "^speaker",
    "says": "have no number of a speaker",
}


def written(folder: Path, *entries: object) -> Path:
    path = folder / "expectations.yaml"
    path.write_text(yaml.safe_dump({"expectations": list(entries)}))
    return path


def test_the_file_of_the_project_changes_nothing_yet():
    assert suite(BUILT_IN, PROJECT / FILE) == BUILT_IN


def test_the_examples_in_its_comments_hold(tmp_path):
    text = (PROJECT / FILE).read_text().replace("expectations: []", "")
    entries = "".join(line.removeprefix("#") + "\n" for line in text.splitlines() if line.startswith("#   "))
    (tmp_path / FILE).write_text("expectations:\n" + entries)
    found = {check.name: check for check in suite(BUILT_IN, tmp_path / FILE)}
    assert found["studio"].arguments == {"value_set": [44100, 48000]}
    assert found["offset"].severity == "critical"


def test_the_table_has_the_columns(corpus):  # noqa: F811
    assert tuple(frame([Entry("a/b.wav", "a", "b", 1.0, 16000)]).columns) == COLUMNS


def test_a_comparison_with_the_accepted_data_becomes_an_error_or_is_left_out(tmp_path):
    changes = [{"name": "moved_level", "severity": "critical"}, {"name": "moved_groups", "severity": "off"}]
    path = written(tmp_path, *changes, OWN)
    wanted = {name: severity for name, severity in SEVERITIES.items() if name != "moved_groups"}
    assert comparisons(path) == wanted | {"moved_level": "critical"}
    assert [check.name for check in suite(BUILT_IN, path)] == [*(check.name for check in BUILT_IN), "speakers"]
    with pytest.raises(UserError, match=r"entry 1 \(moved_level\): this is a built-in check, whose column is fixed"):
        comparisons(written(tmp_path, changes[0] | {"column": "seconds"}))


def test_an_expectation_of_ones_own_judges_and_stops(corpus, tmp_path):  # noqa: F811
    write(corpus / "yes" / "guest_0.wav")
    with pytest.raises(
        UserError, match=r"speakers: recordings that have no number .*: 1 of 13 files, yes/guest_0.wav \(guest\)"
    ):
        validation.validate(corpus, tmp_path / "out", CONFIG, written(tmp_path, OWN))
    page = (tmp_path / "out" / "docs" / "index.html").read_text()
    assert "have no number of a speaker" in page


def test_a_built_in_check_becomes_an_error_or_is_left_out(corpus, tmp_path):  # noqa: F811
    write(corpus / "maybe" / "speaker0_0.wav")
    change = {"name": "lone_recording", "severity": "critical"}
    with pytest.raises(UserError, match="lone_recording: "):
        validation.validate(corpus, tmp_path / "out", CONFIG, written(tmp_path, change))
    report = validation.validate(corpus, tmp_path / "out", CONFIG, written(tmp_path, change | {"severity": "off"}))
    assert report.warnings == []
    assert (tmp_path / FILE).read_text().count("'off'") == 1
    (tmp_path / FILE).write_text(
        "expectations:\n  - {name: lone_recording, severity: off}\n"
    )  # which YAML reads as false
    assert "lone_recording" not in {check.name for check in suite(BUILT_IN, tmp_path / FILE)}


def test_an_expectation_of_ones_own_keeps_a_new_recording_out(corpus, tmp_path, monkeypatch):  # noqa: F811
    written(tmp_path, OWN)
    monkeypatch.chdir(tmp_path)
    for name in ("guest_0.wav", "speaker9_0.wav"):
        write(tmp_path / "inbox" / "yes" / name)
    found = inbox.judge(tmp_path / "inbox", corpus, CONFIG, 0.0)
    assert found.good == ("yes/speaker9_0.wav",)
    assert found.bad == {"yes/guest_0.wav": ("speakers: have no number of a speaker (guest)",)}


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (["x"], "entry 1 must be a mapping with a name, and is 'x'"),
        ([{"severity": "warning"}], "entry 1: name is None; it must be a text"),
        ([OWN, OWN], r"entry 2 \(speakers\): an entry before has this name"),
        (
            [OWN | {"severity": "bad"}],
            r"entry 1 \(speakers\): severity is 'bad'; it must be one of critical, warning, off",
        ),
        (
            [OWN | {"column": "sample_rat"}],
            "column is 'sample_rat', which the table of recordings does not have; it has path",
        ),
        ([OWN | {"expectation": "ExpectWonders"}], "'ExpectWonders', which Great Expectations does not have"),
        ([OWN | {"expectation": "ExpectColumnMeanToBeBetween"}], "which Great Expectations does not have for every"),
        ([OWN | {"regexp": "x"}], "regexp: extra fields not permitted"),
        ([{**OWN, "regex": None}], "regex: none is not an allowed value"),
        ([{"name": "too_short", "severity": "warning", "column": "seconds"}], "whose column is fixed"),
        ([{**OWN, "says": 3}], "says is 3; it must be a text"),
    ],
)
def test_a_broken_file_is_one_sentence_that_names_entry_and_field(entries, says, tmp_path):
    with pytest.raises(UserError, match=says) as error:
        suite(BUILT_IN, written(tmp_path, *entries))
    assert "expectations.yaml" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("expectations: [", "cannot be read as YAML: .*line 1"),
        ("other: []", "must hold one key"),
        ("", "must hold one key"),
    ],
)
def test_what_is_no_such_file_is_refused_before_anything_is_written(text, says, corpus, tmp_path):  # noqa: F811
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UserError, match=says):
        validation.validate(corpus, tmp_path / "out", CONFIG, tmp_path / FILE)
    assert not (tmp_path / "out").exists()
