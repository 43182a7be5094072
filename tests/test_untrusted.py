"""Files of strangers: what is not a regular file, too large or not text is refused; JSON and YAML fail in one way."""

import os
import re
import time
from pathlib import Path

import pytest

from wav2tok import untrusted
from wav2tok.errors import UserError
from wav2tok.files import read_json
from wav2tok.untrusted import brief, open_table, parse_json, parse_yaml, read_bytes, read_text, why_not_regular


@pytest.mark.promise("A pipe, a device or a folder where a file belongs", "It is named for what it is; nothing waits.")
def test_what_is_no_regular_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("x")
    said = {
        tmp_path / "pipe": "is a named pipe, not a file",
        tmp_path: "is a folder, not a file",
        Path("/dev/zero"): "is a device, not a file",
        tmp_path / "none": "does not exist",
        tmp_path / "file" / "below": "cannot be opened (Not a directory)",
        tmp_path / "loop": "cannot be opened (Too many levels of symbolic links)",
        Path("a/" * 3000): "is longer than a path may be",
        Path("a\0b"): "is not a valid path",
    }
    assert {path: why_not_regular(path) for path in said} == said
    assert why_not_regular(tmp_path / "file") is None


def test_size_and_encoding(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\r")
    assert read_text(path) == "a\nb\n"
    with pytest.raises(UserError, match="has more than 5 bytes"):
        read_bytes(path, 5)
    path.write_bytes(b"ab\xff")
    with pytest.raises(UserError, match=r"is not text in UTF-8 \(byte 2\)"):
        read_text(path)


def test_tables_are_regular_files_of_a_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    with pytest.raises(FileNotFoundError, match=r"table\.csv"):
        open_table(path)
    os.mkfifo(path)
    with pytest.raises(UserError, match=r"table\.csv is a named pipe"):
        open_table(path)
    path.unlink()
    path.write_bytes(b'\xef\xbb\xbfpath,"a\r\nb",\xff')
    with open_table(path, "surrogateescape") as file:
        assert file.read() == 'path,"a\r\nb",\udcff'  # csv itself knows line ends, which fields may hold
    monkeypatch.setattr(untrusted, "TEXT_BYTES", 5)
    with pytest.raises(UserError, match="has more than 5 bytes"):
        open_table(path)


ODD_JSON = ["", "[", "[" * 20_000, "NaN", "[1e999]", "-Infinity", "1" * 5000, "{'a': 1}", '"\\ud800', "\x00"]


@pytest.mark.promise("JSON with numbers or nesting that no value has", "It is refused in a sentence.")
@pytest.mark.parametrize("text", ODD_JSON)
def test_odd_json_is_a_user_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=r"a\.json is not valid JSON"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize(("text", "number"), [("1:30", "90"), ("-0x1f: 010", "8"), ("[1:30.5]", "90.5")])
def test_yaml_numbers_by_other_bases_than_they_seem_are_refused(text: str, number: str) -> None:
    with pytest.raises(ValueError, match=rf"write {re.escape(number)}, or quote it"):
        parse_yaml(text)


def test_plain_yaml_numbers_are_read() -> None:
    assert untrusted.parse_yaml("[0, 10, -3, 1.5, 1e-3, 1.0e+3, 0x1f, '010']") == [
        0,
        10,
        -3,
        1.5,
        "1e-3",
        1e3,
        31,
        "010",
    ]


@pytest.mark.promise("YAML that grows by its references", "It is refused at once.")
def test_yaml_that_would_grow_is_refused_at_once() -> None:
    levels = ["a0: &a0 {x: 1, y: 2}", *(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 60))]
    start = time.perf_counter()
    with pytest.raises(ValueError, match="too large"):
        parse_yaml("\n".join(levels))
    assert time.perf_counter() - start < 5
    with pytest.raises(ValueError, match="more than"):
        parse_yaml("a" * 300_000)


def test_a_value_is_shown_briefly() -> None:
    laughs: list[object] = ["ha"] * 9
    for _ in range(30):
        laughs = [laughs] * 9
    for value in (laughs, 10**5000, "a" * 10_000, {"a": {"b": {"c": {}}}}):
        assert len(brief(value)) < 300
    assert brief(0.5) == "0.5"


@pytest.mark.promise("A parameter that stands twice in params.yaml", "It is refused; neither is taken in silence.")
@pytest.mark.parametrize("text", ["a: 1\na: 1", "b: {a: 1, c: 2, a: 3}", "[{a: 1, a: 2}]"])
def test_a_key_that_is_there_twice_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a is there twice"):
        parse_yaml(text)


def test_a_merged_key_may_be_overridden() -> None:
    assert parse_yaml("x: &x {a: 1, b: 2}\ny: {<<: *x, a: 3}")["y"] == {"a": 3, "b": 2}
