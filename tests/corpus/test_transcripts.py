"""Transcripts: found in the folder of recordings or its parent, and every way in which a table can be wrong."""

import pytest

from wav2tok.corpus import transcripts
from wav2tok.corpus.transcripts import Word
from wav2tok.errors import UserError

HEADING = "utterance\tspeaker\tstart_s\tend_s\tword\n"
ROWS = 'ada_1\tada\t0.5\t0.75\tmwána\nada_1\tada\t0.75\t1\t"a\nben_2\tben\t0\t0.2\tmoro\n'


@pytest.fixture
def corpus(tmp_path):
    """A corpus of two recordings (their audio is not read) with a table above their folder."""
    (tmp_path / "audio").mkdir()
    (tmp_path / "words.tsv").write_text(HEADING + ROWS, encoding="utf-8")
    return tmp_path


def paths(corpus, *names):
    return [str(corpus / "audio" / name) for name in names]


def test_words_come_in_order_and_by_recording(corpus):
    found = transcripts.read(paths(corpus, "ben_2.flac", "ada_1.flac"))
    assert found == [(Word("moro", 0.0, 0.2),), (Word("mwána", 0.5, 0.75), Word('"a', 0.75, 1.0))]


def test_a_table_in_the_folder_of_the_recording_is_preferred(corpus):
    (corpus / "audio" / "words.tsv").write_text("word\tend_s\tstart_s\tutterance\nother\t2\t1\tada_1\n")
    assert transcripts.read(paths(corpus, "ada_1.flac")) == [(Word("other", 1.0, 2.0),)]


@pytest.mark.promise("words.tsv with a byte order mark and CRLF", "It is read like any other.")
def test_a_table_that_a_spreadsheet_has_saved(corpus):
    expected = transcripts.read(paths(corpus, "ben_2.flac", "ada_1.flac"))
    (corpus / "words.tsv").write_bytes(("\ufeff" + (HEADING + ROWS).replace("\n", "\r\n")).encode())
    assert transcripts.read(paths(corpus, "ben_2.flac", "ada_1.flac")) == expected


def test_a_letter_written_in_two_ways_is_one(corpus):
    (corpus / "words.tsv").write_text(HEADING + "a\ts\t0\t1\tmwa\u0301na\nb\ts\t0\t1\tmw\u00e1na\n", encoding="utf-8")
    first, second = transcripts.read(paths(corpus, "a.flac", "b.flac"))
    assert first == second


def test_whether_all_recordings_have_transcripts(corpus, tmp_path_factory):
    bare = str(tmp_path_factory.mktemp("bare") / "audio" / "ada_1.flac")
    assert transcripts.has_transcripts(paths(corpus, "ada_1.flac", "ben_2.flac"))
    assert not transcripts.has_transcripts([*paths(corpus, "ada_1.flac"), bare])
    assert not transcripts.has_transcripts([])
    with pytest.raises(UserError, match=r"ada_1.flac has no words.tsv in its folder"):
        transcripts.read([bare])


def test_a_recording_that_the_table_does_not_name(corpus):
    with pytest.raises(UserError, match=r"words.tsv has no word of cleo_3 .*cleo_3.flac"):
        transcripts.read(paths(corpus, "cleo_3.flac"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no column 'utterance'"),
        ("utterance\tstart_s\tend_s\nx\t0\t1\n", "has no column 'word'"),
        (HEADING, "has no words"),
        (HEADING + ROWS + "ada_1\tada\t0\n", "line 5 has 3 fields instead of 5"),
        (HEADING + "\n", "line 2 has 0 fields"),
        (HEADING + "ada_1\tada\tsoon\t1\tmoro\n", "line 2: start_s is 'soon'"),
        (HEADING + "ada_1\tada\t-1\t1\tmoro\n", "line 2: start_s is '-1'"),
        (HEADING + "ada_1\tada\t0\tnan\tmoro\n", "line 2: end_s is 'nan'"),
        (HEADING + "ada_1\tada\t0\tinf\tmoro\n", "line 2: end_s is 'inf'"),
        (HEADING + "ada_1\tada\t1\t1\tmoro\n", "line 2: the word ends at 1 s, not after its start at 1 s"),
        (HEADING + "ada_1\tada\t0\t1\t \n", "line 2 has no word"),
        (HEADING.encode() + b"ada_1\tada\t0\t1\tm\xffro\n", "is not a table in UTF-8"),
    ],
)
def test_a_malformed_table_is_refused(corpus, content, message):
    (corpus / "words.tsv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=rf"words\.tsv.*{message}"):
        transcripts.read(paths(corpus, "ada_1.flac"))


def test_the_sentences_have_theirs(real_data):
    recordings = sorted(str(path) for path in (real_data / "sentences" / "audio").iterdir())
    assert transcripts.has_transcripts(recordings)
    assert sum(map(len, transcripts.read(recordings))) == 5964
