"""``wav2tok changes`` and what it is pointed to."""

import pytest


@pytest.mark.promise("--registered names a folder that register did not write", "It is refused.")
def test_a_folder_without_an_outcome_is_no_outcome(folder, tiny_split, tiny_model, cli):
    (folder / "other").mkdir()
    for named in ("other", "absent"):
        complaint = cli("changes", "--data", tiny_split, "--model", tiny_model, "--registered", named).complaint
        assert complaint.startswith(f"--registered: {named} holds no registered.json; name the folder that")
    assert [path.name for path in folder.iterdir()] == ["other"]
