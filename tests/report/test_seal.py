"""The seal of a report: whatever does not belong together is refused in one sentence."""

import json

import pytest

from wav2tok.errors import UserError
from wav2tok.report import seal
from wav2tok.report.folder import ReportFolder

MODEL, DATA = "0123456789abcdef", "f" * 32


@pytest.fixture
def report(tmp_path):
    folder = ReportFolder(tmp_path / "report")
    folder.path.mkdir()
    for path in folder.sealed:
        path.write_text(json.dumps({"of": path.name}))
    seal.write(folder, MODEL, DATA)
    return folder


def test_what_is_unchanged_says_its_model_and_data(report):
    sealed = seal.verify(report)
    assert (sealed.model, sealed.data) == (MODEL, DATA)
    before = sealed.digest
    seal.write(report, MODEL, "e" * 32)
    assert seal.verify(report).digest != before


@pytest.mark.promise("A report that was edited", "export and register refuse it and name the file.")
@pytest.mark.parametrize("name", ["gate.json", "heldout.json", "headline.json", "report.md", "table.txt"])
def test_a_file_that_was_edited_or_lost_is_named(report, name):
    path = report.path / name
    path.write_text(path.read_text() + " ")
    with pytest.raises(UserError, match=f"{name} was changed after the evaluation; evaluate the model again"):
        seal.verify(report)
    path.unlink()
    with pytest.raises(UserError, match=f"{name} does not exist"):
        seal.verify(report)


def test_a_report_without_a_seal_is_refused(report, tmp_path):
    report.seal.unlink()
    with pytest.raises(UserError, match=r"has no seal\.json, so it does not say which model it is of"):
        seal.verify(report)
    with pytest.raises(UserError, match="nowhere does not exist"):
        seal.verify(ReportFolder(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"model": "x", "data": "y", "files": {}}', '{"model": 1, "data": 2, "files": 3}', "{"]
)
def test_what_is_no_seal_is_refused(report, text):
    report.seal.write_text(text)
    with pytest.raises(UserError, match=r"seal\.json is not"):
        seal.verify(report)
