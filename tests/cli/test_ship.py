"""``wav2tok export``, ``pull``, ``promote`` and ``doctor``, with a registry that holds two versions."""

import json
import os
import shutil
import subprocess

import pytest


@pytest.fixture
def registered(folder, registry_store, monkeypatch):
    """The working folder, with the store of ``tiny`` as its store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry_store)
    return folder


def alias():
    import mlflow

    return str(mlflow.MlflowClient().get_model_version_by_alias("tiny", "champion").version)


def test_pull_writes_a_folder_that_tokenize_can_use(registered, cli, tiny_corpus, tiny_model):
    assert cli("pull", "models:/tiny@champion", "--out", "pulled/here").code == 0
    names = sorted(p.name for p in (registered / "pulled" / "here").iterdir())
    assert names == ["card.md", "passport.json", "tokenizer.onnx"]
    assert [p.name for p in (registered / "pulled").iterdir()] == ["here"]
    by_pulled = cli("tokenize", tiny_corpus / "arch", "--model", "pulled/here").out.replace("pulled/here", "")
    by_trained = cli("tokenize", tiny_corpus / "arch", "--model", tiny_model).out.replace(str(tiny_model), "")
    assert by_pulled == by_trained
    assert len(by_pulled.splitlines()) == 7


def test_pull_replaces_what_was_pulled_before(registered, cli):
    (registered / "model").mkdir()
    (registered / "model" / "tokenizer.onnx").write_text("old")
    (registered / "model" / "card.md").write_text("old")
    assert cli("pull", "models:/tiny/2", "--out", "model").code == 0
    assert sorted(p.name for p in (registered / "model").iterdir()) == ["card.md", "passport.json", "tokenizer.onnx"]
    assert (registered / "model" / "card.md").read_text().startswith("# wav2tok")


def test_pull_verifies_a_signature(folder, cli, tiny_model):
    """The keys are made by the commands that the documentation gives."""
    pytest.importorskip("model_signing")
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the keys, is not installed")
    for command in (
        "openssl ecparam -name prime256v1 -genkey -noout -out key.pem",
        "openssl ec -in key.pem -pubout -out key.pub",
        "openssl ecparam -name prime256v1 -genkey -noout -out other.pem",
        "openssl ec -in other.pem -pubout -out other.pub",
    ):
        subprocess.run(command.split(), check=True, capture_output=True)
    assert cli("export", "--model", tiny_model, "--out", "export", "--sign", "key.pem").code == 0
    assert cli("pull", "export", "--out", "model", "--verify", "key.pub").code == 0
    assert (folder / "model" / "model.sig").exists()
    refused = cli("pull", "export", "--out", "another", "--verify", "other.pub").complaint
    assert refused.startswith("--verify: the signature of export does not hold")
    assert "openssl ecparam" in cli("export", "--model", tiny_model, "--out", "new", "--sign", "key.pub").complaint
    assert not (folder / "another").exists()
    assert not (folder / "new").exists()


TINY = ("--set", "register.name=tiny")


def story(cli):
    return [json.loads(line) for line in cli("history", *TINY).out.splitlines()]


def test_promote_compares_asks_why_and_rollback_goes_back(registered, cli):
    done = cli("promote", "2", "--why", "to hear it", *TINY)
    assert done.code == 0
    assert done.out.splitlines() == [
        "version 2: score 0.400",
        "version 1, the champion: score 0.500",
        "these are scores at registration, on the same test recordings: artifacts/audios.bin does not exist",
        "warning: the champion, version 1, is better",
        "tiny version 2 is the champion: models:/tiny@champion",
        "back to version 1: wav2tok rollback",
    ]
    assert alias() == "2"
    back = cli("rollback", *TINY)
    assert back.out == "tiny version 1 is the champion again, in place of 2: models:/tiny@champion\n"
    assert alias() == "1"
    last = story(cli)[-2:]
    assert [(row["event"], row["version"], row["replaced"], row["why"]) for row in last] == [
        ("promoted", "2", "1", "to hear it"), ("rolled back", "1", "2", "no reason was given"),
    ]  # fmt: skip
    assert cli("history", *TINY, "--format", "csv").out.startswith("at,event,version,replaced,score,by,why,aliases\n")
    assert cli("history", "--set", "register.name=nobody").complaint.startswith("nobody has no versions")


def test_promote_measures_both_on_what_neither_heard(registered, cli, tiny_split):
    done = cli("promote", "2", "--why", "again", "--data", tiny_split, *TINY, "--set", "register.min_queries=4",
               "--set", "evaluate.tempos=[0.8]", "--set", "evaluate.semitones=[]")  # fmt: skip
    assert done.code == 0, done
    lines = done.out.splitlines()
    assert "version 1, the champion: score 0." in done.out
    assert any(line.endswith("on the same 8 queries") for line in lines)
    assert any(line.startswith("not met: score ") for line in lines)  # they are the same model
    assert not any(line.startswith("warning") for line in lines)
    assert cli("rollback", *TINY).code == 0


def test_promoting_without_a_reason_or_an_absent_version_changes_nothing(registered, cli):
    before = alias()
    assert cli("promote", "2", *TINY).complaint.startswith("--why: say why version 2 should be champion")
    assert "reason is empty" in cli("promote", "2", "--why", " ", *TINY).complaint
    assert "version 9" in cli("promote", "9", "--why", "so", *TINY).complaint
    assert alias() == before


def test_export_measures_variants_and_tokenize_takes_one_by_its_kind(folder, cli, tiny_model, tiny_split, tiny_corpus):
    chosen = ("--set", "export.variants=[int8,fp16]", "--set", "export.max_loss=0.5")
    done = cli("export", "--model", tiny_model, "--data", tiny_split, "--out", "export", *chosen)
    assert done.code == 0, done.complaint
    rows = json.loads((folder / "export" / "export.json").read_text())["variants"]
    assert [row["kind"] for row in rows] == ["float32", "int8", "fp16"]
    assert all(row["written"] for row in rows[1:])
    query = next(tiny_corpus.rglob("*.flac"))
    made = {}
    for variant in ("int8", "fp16", None):
        option = () if variant is None else ("--variant", variant)
        made[variant] = json.loads(cli("tokenize", query, "--model", "export", *option).out)
    assert len({row["identity"] for row in made.values()}) == 3
    by_file = json.loads(cli("tokenize", query, "--model", "export/tokenizer.int8.onnx").out)
    assert by_file["tokens"] == made["int8"]["tokens"]
    assert by_file["identity"] == made["int8"]["identity"]
    refused = cli("tokenize", query, "--model", tiny_model, "--variant", "int8")
    assert refused.code == 2
    assert "--variant: " in refused.complaint
    # Without variants the old ones are gone.
    assert cli("export", "--model", tiny_model, "--out", "export").code == 0
    assert not list((folder / "export").glob("tokenizer.*.onnx"))
    assert json.loads((folder / "export" / "export.json").read_text())["variants"] == []
    assert cli("export", "--model", tiny_model, "--out", "export", "--set", "export.variants=[int8]").code == 0
    (row,) = json.loads((folder / "export" / "export.json").read_text())["variants"]
    assert row == {
        "kind": "int8",
        "written": False,
        "why": "there are no test recordings to measure it on; name an audios.bin",
    }


def test_a_terminal_is_asked_why(registered, cli, monkeypatch):
    monkeypatch.setattr("wav2tok.cli.ship._asks", lambda: True)
    assert cli("promote", "2", *TINY, stdin="because I heard it\n").code == 0
    assert story(cli)[-1]["why"] == "because I heard it"
    assert cli("rollback", *TINY).code == 0


def test_export_works_without_a_report(folder, cli, tiny_model):
    done = cli("export", "--model", tiny_model, "--out", "export")
    assert done.code == 0
    export = json.loads((folder / "export" / "export.json").read_text())
    assert export["approved"] is False
    assert export["reasons"] == ["It was exported without a report, so no gate has approved it."]
    for options, complaint in (
        (["--unapproved"], "--why: say why you use a model that the gate did not approve"),
        (["--why", "so"], "--why: a reason is only asked for with --unapproved"),
    ):
        assert cli("export", "--model", tiny_model, "--out", "export", *options).complaint.startswith(complaint)
        assert cli("register", *options).complaint.startswith(complaint)
    assert export["parity"]["agreement"] >= 0.999
    assert len({tuple(lengths) for lengths in export["parity"]["lengths"]}) >= 5


def test_doctor_shows_versions_devices_and_store(registered, cli, registry_store):
    import onnxruntime
    import torch

    done = cli("doctor")
    assert (done.code, done.err) == (0, "")
    for name, version in {
        "torch": torch.__version__.partition("+")[0],
        "onnxruntime-gpu": onnxruntime.__version__,
    }.items():
        assert any(line.split()[:1] == [name] and version in line for line in done.out.splitlines()), name
    assert "CUDA devices that the driver sees: " in done.out
    assert "usable here" in done.out
    assert ("not usable here" in done.out) is not torch.cuda.is_available()
    assert f"MLflow store: {registry_store}" in done.out
    assert "problem: onnxruntime and" not in done.out


def test_a_ready_made_model_cannot_be_reproduced_and_the_sentence_says_why(cli, tmp_path):
    ended = cli("reproduce", "wav2tok:humming", "--out", tmp_path / "new")
    assert ended.code == 2
    assert "wav2tok:humming is a ready-made model" in ended.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("verb", [("history",), ("rollback",), ("promote", "1", "--why", "x"), ("pull", "models:/a/1")])
@pytest.mark.parametrize("uri", ["sqlite:///there.db", "sqlite:///none.db", "runs"])
def test_a_verb_that_reads_makes_no_store_of_what_is_none(verb, uri, cli, tmp_path, monkeypatch):
    """MLflow would make tables in an empty file, and a folder."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (place / "there.db").touch()
    ended = cli(*verb)
    assert ended.code == 2
    assert "there is no MLflow store" in ended.err
    assert os.listdir(place) == ["there.db"]
    assert (place / "there.db").read_bytes() == b""
