"""``wav2tok split`` on real files: what it writes, and what becomes of groups, lengths and digests."""

import dataclasses
import pickle
import shutil
import unicodedata
from pathlib import Path

import pytest
import soundfile

from tests.helpers import changed
from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin, manifest
from wav2tok.errors import UserError
from wav2tok.files import sha256
from wav2tok.stages.split import split


@pytest.fixture
def column(tiny_corpus: Path, tmp_path: Path) -> Path:
    """A manifest of `tiny_corpus` whose groups are pairs of voices, which no file name says."""
    pair = {"ada": "A", "ben": "A", "cleo": "B", "dan": "B", "eva": "C", "finn": "C", "gus": "D"}
    entries = [dataclasses.replace(e, group=pair[e.group]) for e in manifest.build(tiny_corpus)]
    manifest.write_csv(entries, tmp_path / "manifest.csv")
    return tmp_path / "manifest.csv"


def by_column(config: Config) -> Config:
    return dataclasses.replace(config, split=dataclasses.replace(config.split, group_by="column"))


def test_a_split_without_a_manifest(tiny_corpus: Path, tiny_config: Config, tmp_path: Path, lines: list[str]) -> None:
    split(tiny_corpus, tmp_path / "audios.bin", tiny_config)
    parts = audios_bin.read(tmp_path / "audios.bin")
    assert parts.valid is not None
    everything = parts.train + parts.valid + parts.test
    assert sorted(everything.paths) == sorted(map(str, tiny_corpus.rglob("*.flac")))
    assert not set(parts.test.groups) & set((parts.train + parts.valid).groups)
    assert set(everything.seconds) == set(everything.digests) == {None}
    numbers = f"{len(parts.train)} train, {len(parts.valid)} validate, {len(parts.test)} test"
    assert lines == [f"28 recordings of 4 classes and 7 groups: {numbers}; {tmp_path / 'audios.bin'}"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audios.bin", "audios.json"]


def test_a_list_says_that_the_folders_are_no_classes(
    tiny_corpus: Path, tiny_config: Config, tmp_path: Path, lines: list[str]
) -> None:
    split(tiny_corpus, tmp_path / "audios.bin", changed(tiny_config, split={"kind": "list"}))
    said = f"split.kind is list, so the 4 folders of {tiny_corpus} are not used as classes; dict uses them"
    assert said in lines
    split(tiny_corpus / "arch", tmp_path / "flat.bin", changed(tiny_config, split={"kind": "list"}))
    assert len([line for line in lines if "not used as classes" in line]) == 1


def test_the_manifest_travels_with_the_split(
    tiny_corpus: Path, tiny_config: Config, column: Path, tmp_path: Path
) -> None:
    split(tiny_corpus, tmp_path / "audios.bin", by_column(tiny_config), manifest=column)
    parts = audios_bin.read(tmp_path / "audios.bin")
    assert parts.valid is not None
    assert not set(parts.test.groups) & set((parts.train + parts.valid).groups)
    known = {(tiny_corpus / e.path).as_posix(): e for e in manifest.read_csv(column)}
    for recording in parts.train + parts.valid + parts.test:
        entry = known.pop(recording.path)
        assert (recording.label, recording.group) == (entry.class_name, entry.group)
        assert recording.group in "ABCD"
        assert recording.seconds == entry.seconds
        assert recording.sha256 == sha256(recording.path)
    assert not known


def test_the_published_file_does_not_depend_on_the_manifest_that_describes_it(
    tiny_corpus: Path, tiny_config: Config, tmp_path: Path
) -> None:
    manifest.write_csv(manifest.build(tiny_corpus), tmp_path / "manifest.csv")
    split(tiny_corpus, tmp_path / "with.bin", tiny_config, manifest=tmp_path / "manifest.csv")
    split(tiny_corpus, tmp_path / "without.bin", tiny_config)
    assert (tmp_path / "with.bin").read_bytes() == (tmp_path / "without.bin").read_bytes()
    train, valid, test = pickle.loads((tmp_path / "with.bin").read_bytes())
    assert all(isinstance(part, dict) for part in (train, valid, test))


def test_groups_and_classes_to_test_on(tiny_corpus: Path, tiny_config: Config, column: Path, tmp_path: Path) -> None:
    out = tmp_path / "audios.bin"
    split(tiny_corpus, out, by_column(tiny_config), manifest=column, test_groups=["B"], test_classes=["fall", "arch"])
    parts = audios_bin.read(out)
    assert parts.valid is not None
    assert {(r.group, r.label) for r in parts.test} == {("B", "arch"), ("B", "fall")}
    rest = parts.train + parts.valid
    assert set(rest.groups) == {"A", "C", "D"}
    assert set(rest.classes or ()) == {"climb", "zigzag"}


def test_further_recordings_are_only_for_training(
    tiny_corpus: Path, tiny_config: Config, column: Path, tmp_path: Path, lines: list[str]
) -> None:
    more = tmp_path / "more"
    more.mkdir()
    for path in (tiny_corpus / "arch").iterdir():
        wave, rate = soundfile.read(path)
        soundfile.write(more / path.name, wave / 2, rate)
    split(tiny_corpus, tmp_path / "audios.bin", by_column(tiny_config), manifest=column, also=[more])
    parts = audios_bin.read(tmp_path / "audios.bin")
    added = [recording for recording in parts.train if recording.path.startswith(str(more))]
    assert len(added) == 7
    assert all(recording.label == recording.path for recording in added)
    assert " and 7 others for training: " in lines[0]
    split(tiny_corpus, tmp_path / "audios.bin", tiny_config, also=[more], only_test=True)
    parts = audios_bin.read(tmp_path / "audios.bin")
    assert parts.valid is not None
    assert len(parts.test) == 28
    assert all(path.startswith(str(more)) for path in (parts.train + parts.valid).paths)


def test_a_singer_who_arrives_or_leaves_moves_no_other(
    tiny_corpus: Path, tiny_config: Config, tmp_path: Path, lines: list[str]
) -> None:
    """Seven singers, then five of them, then these and three new ones, in a folder that was moved."""

    def parts() -> dict[str, str]:
        done = audios_bin.read(tmp_path / "audios.bin")
        assert done.valid is not None
        named = (("train", done.train), ("valid", done.valid), ("test", done.test))
        return {f"{Path(r.path).parent.name}/{Path(r.path).name}": part for part, one in named for r in one}

    def continues(before: dict[str, str], after: dict[str, str]) -> bool:
        return all(before[name] == part for name, part in after.items() if name in before)

    folder, out = tmp_path / "corpus", tmp_path / "audios.bin"
    shutil.copytree(tiny_corpus, folder)
    split(folder, out, tiny_config)
    seven = parts()
    gone = [next(n for n in seven if seven[n] == part).split("/")[1].split("_")[0] for part in ("test", "train")]
    for path in folder.rglob("*.flac"):
        if path.name.split("_")[0] in gone:
            path.unlink()
    split(folder, out, tiny_config)
    five = parts()
    assert len(five) == 20
    assert continues(seven, five)
    folder = folder.rename(tmp_path / "moved")
    for path in [*folder.rglob("ben_0.flac"), *folder.rglob("cleo_0.flac"), *folder.rglob("finn_0.flac")]:
        shutil.copy(path, path.with_name(f"new{path.name}"))
    out.unlink()  # as DVC does before a stage runs; audios.json is kept
    split(folder, out, tiny_config)
    assert len(parts()) > 20
    assert continues(five, parts())
    assert lines[-2] == f"20 of {len(parts())} recordings stay in the part that they had in {out}"
    # Another seed or another share is another split.
    split(folder, out, dataclasses.replace(tiny_config, seed=2))
    assert not continues(five, parts())
    assert "stay" not in lines[-2]


@pytest.mark.parametrize(
    ("options", "parameter", "message"),
    [
        ({"only_test": True}, "also", "nothing is left to train on"),
        ({"only_test": True, "test_groups": ["ada"]}, "only_test", "the test is all of the folder already"),
        ({"only_test": True, "test_classes": ["arch"]}, "only_test", "the test is all of the folder already"),
        ({"test_groups": ["zoe"]}, "test_groups", "'zoe' is not a group of any recording; there are: ada, ben, cleo"),
        (
            {"test_classes": ["waltz"]},
            "test_classes",
            "'waltz' is not a class of any recording; there are: arch, climb",
        ),
    ],
)
def test_impossible_options_are_refused_and_nothing_is_written(
    tiny_corpus: Path, tiny_config: Config, tmp_path: Path, options: dict, parameter: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        split(tiny_corpus, tmp_path / "audios.bin", tiny_config, **options)
    assert caught.value.parameter == parameter
    assert "--" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_groups_by_column_need_a_manifest(tiny_corpus: Path, tiny_config: Config, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"read from a manifest\.csv, and none is given") as caught:
        split(tiny_corpus, tmp_path / "audios.bin", by_column(tiny_config))
    assert caught.value.parameter == "manifest"


def test_classes_that_training_never_hears_are_named(
    tiny_corpus: Path, tiny_config: Config, tmp_path: Path, lines: list[str]
) -> None:
    config = dataclasses.replace(tiny_config, split=dataclasses.replace(tiny_config.split, unheard_classes=0.25))
    split(tiny_corpus, tmp_path / "audios.bin", config)
    parts = audios_bin.read(tmp_path / "audios.bin")
    assert parts.valid is not None
    (never,) = set(parts.test.classes or ()) - set(parts.train.classes or ()) - set(parts.valid.classes or ())
    assert lines[-1] == f"training never hears 1 of the 4 test classes: {never}"
    assert len(parts.train) + len(parts.valid) == 3 * (7 - len(set(parts.test.groups)))


def test_what_is_in_the_split_already_is_not_added_under_another_name(
    tiny_corpus: Path, tiny_config: Config, tmp_path: Path, lines: list[str]
) -> None:
    """Neither the same files by another path or a link, nor copies of them."""
    (tmp_path / "link").symlink_to(tiny_corpus)
    shutil.copytree(tiny_corpus / "arch", tmp_path / "copies")
    also = [tiny_corpus / ".." / tiny_corpus.name, tmp_path / "link", tmp_path / "copies"]
    split(tiny_corpus, tmp_path / "audios.bin", tiny_config, also=also)
    parts = audios_bin.read(tmp_path / "audios.bin")
    assert parts.valid is not None
    assert len(parts.train + parts.valid + parts.test) == 28
    assert [line.split()[0] for line in lines if "in the split already" in line] == ["28", "28", "7"]


def test_one_name_in_two_spellings_of_unicode_is_one_group_and_one_class(
    tiny_corpus: Path, tiny_config: Config, tmp_path: Path
) -> None:
    for number, path in enumerate(sorted(tiny_corpus.rglob("*.flac"))):
        form = ("NFC", "NFD")[number % 2]
        label, speaker = (unicodedata.normalize(form, name) for name in (path.parent.name + "é", path.stem[:3] + "ü"))
        (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "data" / label / f"{speaker}_{number}.flac")
    split(tmp_path / "data", tmp_path / "audios.bin", tiny_config)
    parts = audios_bin.read(tmp_path / "audios.bin")
    assert parts.valid is not None
    every = parts.train + parts.valid + parts.test
    assert (len(set(every.classes or ())), len(set(every.groups))) == (4, 7)
    assert not set(parts.test.groups) & set((parts.train + parts.valid).groups)
    assert all(Path(path).is_file() for path in every.paths)


def test_a_layout_that_misleads_is_warned_of(
    tiny_corpus: Path, tiny_config: Config, tmp_path: Path, lines: list[str]
) -> None:
    for number, path in enumerate(sorted(tiny_corpus.rglob("*.flac"))):
        place = tmp_path / "data" / ("train", "test")[number % 2] / path.parent.name
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place / f"{path.stem[:3]}-{number}.flac")
    split(tmp_path / "data", tmp_path / "audios.bin", tiny_config)
    parts, groups, count = lines
    assert parts.startswith("'test', 'train' are classes, and called like parts of a split")
    assert groups.startswith("28 of 28 recordings are a group of their own, because their names have a - and no _")
    assert count.startswith("28 recordings of 2 classes and 28 groups: ")
