"""What a model has heard, by contents: names and folders do not matter."""

import shutil

import pytest

from wav2tok.corpus import heard
from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError
from wav2tok.files import sha256


@pytest.fixture
def recordings(tmp_path):
    paths = [tmp_path / f"{name}.flac" for name in "abc"]
    for path in paths:
        path.write_bytes(path.name.encode())
    return Recordings(tuple(map(str, paths)))


def test_a_renamed_copy_was_heard_and_an_edited_one_was_not(recordings, tmp_path):
    heard.write(tmp_path / "model", recordings.take([0, 1]), before=["older"])
    assert heard.read(tmp_path / "model") == {"older", *map(sha256, recordings.paths[:2])}
    renamed, edited = tmp_path / "renamed.flac", tmp_path / "edited.flac"
    shutil.copy(recordings.paths[0], renamed)
    edited.write_bytes(b"changed")
    test = recordings + Recordings((str(renamed), str(edited)))
    left = heard.unheard(test, heard.read(tmp_path / "model"))
    assert left.paths == (recordings.paths[2], str(edited))


def test_what_does_not_say_what_it_heard(tmp_path):
    assert heard.known(tmp_path) == frozenset()
    with pytest.raises(UserError, match=r"heard\.json does not exist"):
        heard.read(tmp_path)
    for text in ("[]", "{}", '{"recordings": 3}'):
        (tmp_path / "heard.json").write_text(text)
        with pytest.raises(UserError, match="is not as it was written"):
            heard.read(tmp_path)
