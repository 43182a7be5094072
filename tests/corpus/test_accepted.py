"""``accepted.csv``: read as it was written or refused in a sentence, and without names of speakers."""

from pathlib import Path

import pytest

from wav2tok.corpus import accepted
from wav2tok.corpus.manifest import Entry
from wav2tok.errors import UserError

PROJECT = Path(__file__).resolve().parents[2]
ENTRIES = [
    Entry("b/ben_0.wav", 'b, "c"', "ben", 2.0, 16000, -30.0, sha256="ff" * 32, snr_db=12.5),
    Entry("a/ada_0.wav", "a", "ada", 1.0, 16000, -20.0, sha256="0a" * 32, snr_db=30.0),
    Entry("a/copy_0.wav", "a", "copy", 1.0, 16000, -20.0, sha256="0a" * 32, snr_db=30.0),
    Entry("a/bad_0.wav", "a", "bad", sha256="01" * 32, error="cannot be read"),
]


def test_a_profile_is_read_as_it_was_written_without_names_of_speakers(tmp_path):
    path = tmp_path / "accepted.csv"
    found = accepted.known(ENTRIES)
    assert [(one.sha256, one.seconds) for one in found] == [("0a" * 8, 1.0), ("ff" * 8, 2.0)]
    accepted.write(found, path)
    assert accepted.read(path) == found
    assert "ada" not in path.read_text()
    assert "ben" not in path.read_text()


def test_the_file_of_the_project_holds_nothing_yet():
    assert accepted.read(PROJECT / accepted.FILE) == []


def test_of_many_recordings_those_with_the_smallest_digests_are_kept(tmp_path):
    many = [Entry(f"{i}.wav", "", "x", 1.0, sha256=f"{i * 7919 % 2500:064x}"[::-1]) for i in range(2500)]
    found = accepted.known(many)
    accepted.write(found, tmp_path / "accepted.csv")
    assert accepted.read(tmp_path / "accepted.csv") == found[: accepted.KEPT]


def test_without_the_file_there_is_nothing_and_a_named_one_must_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert accepted.read() == []
    with pytest.raises(UserError, match=r"none\.csv cannot be read \(No such file"):
        accepted.read(Path("none.csv"))


HEADER = ",".join(accepted.COLUMNS)


@pytest.mark.parametrize(
    "text",
    ["", "path\nx\n", HEADER + "\n0a,a,b,1,2\n", HEADER + "\n0a,a,b,1,2,x\n", HEADER + "\n0a,a,b,1,2,nan\n",
     HEADER + "\n0a,a,b,1,2,3,4\n", HEADER + "\n0b,a,b,1,2,3\n0a,a,b,1,2,3\n"],
)  # fmt: skip
def test_another_file_is_refused(text, tmp_path):
    (tmp_path / "accepted.csv").write_text(text)
    with pytest.raises(UserError, match="is not a profile that wav2tok accept wrote"):
        accepted.read(tmp_path / "accepted.csv")
