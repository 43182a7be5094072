"""Where the files of a model folder are, and which of them a training writes."""

from pathlib import Path

from wav2tok.model.folder import ModelFolder


def test_epochs_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("mine_10", "mine_9", "mine_best", "mine_too_3", "last"):
        (tmp_path / f"{name}.safetensors").touch()
    folder = ModelFolder(tmp_path)
    assert folder.epochs("mine") == {9: folder.epoch("mine", 9), 10: folder.epoch("mine", 10)}
    assert folder.epochs("mine_too") == {3: folder.epoch("mine_too", 3)}
    assert folder.stored() == ["mine_10", "mine_9", "mine_best", "mine_too_3"]


def test_a_training_outdates_its_own_files_alone(tmp_path: Path) -> None:
    own = ("mine_10.safetensors", "mine_best.safetensors", "last.safetensors", "untrained.safetensors")
    others = ("mine_x.safetensors", "other_best.safetensors", "config.json", "run.json")
    for name in (*own, *others, "mine.onnx", "history.json"):
        (tmp_path / name).touch()
    outdated = {path.name for path in ModelFolder(tmp_path).outdated_by("mine")}
    assert outdated == {*own, "history.json"}


def test_a_name_is_no_pattern(tmp_path: Path) -> None:
    (tmp_path / "a+b_1.safetensors").touch()
    (tmp_path / "aab_1.safetensors").touch()
    folder = ModelFolder(tmp_path)
    assert list(folder.epochs("a+b")) == [1]
    assert not folder.writes("a+b", folder.epoch("aab", 1))
    assert not folder.writes("aab", tmp_path / "elsewhere" / "aab_1.safetensors")
