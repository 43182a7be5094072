"""What is pulled is whole, is what was exported, and is signed if that is asked for; from a real store."""

import json
import shutil
import subprocess

import mlflow
import numpy as np
import onnx
import pytest

from tests import registrations
from wav2tok.audio import decode
from wav2tok.errors import UserError
from wav2tok.release import passport
from wav2tok.release import pull as pulling
from wav2tok.release.passport import FORMAT
from wav2tok.release.pull import pull
from wav2tok.stages.export import export
from wav2tok.tokenizer import cache
from wav2tok.tokenizer.format import CARD_FILE, METADATA_KEY
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import lookup

PULLED = ["card.md", "passport.json", "tokenizer.onnx"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def key(folder, name):
    """A pair of keys, made by the commands of the documentation."""
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    make = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private]
    subprocess.run(make, check=True, capture_output=True)
    subprocess.run(["openssl", "ec", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    return private, public


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def signed(tiny_model, keys, tmp_path_factory):
    """An export that is signed with the key ``ours``."""
    pytest.importorskip("model_signing")
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the keys, is not installed")
    folder = tmp_path_factory.mktemp("signed") / "export"
    export(tiny_model, None, folder, key=key(keys, "ours")[0])
    return folder


@pytest.fixture(scope="module")
def place(tiny_model, tmp_path_factory):
    """A store that holds ``tiny`` version 1."""
    root = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
        mlflow.set_tracking_uri(f"sqlite:///{root}/mlflow.db")
        export(tiny_model, None, root / "export")
        mlflow.set_experiment("pull")
        registrations.register(root / "export", "tiny")
        mlflow.set_tracking_uri(None)
    return root


@pytest.fixture
def store(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield place
    mlflow.set_tracking_uri(None)


@pytest.fixture
def folder(place, tmp_path):
    """A copy of what was exported, to be changed."""
    return shutil.copytree(place / "export", tmp_path / "export")


def test_a_version_comes_with_card_and_passport(store, tmp_path, tiny_corpus):
    graph = pull("models:/tiny@champion", tmp_path / "model")
    assert graph == tmp_path / "model" / "tokenizer.onnx"
    assert names(tmp_path / "model") == PULLED
    for name in PULLED:
        assert (tmp_path / "model" / name).read_bytes() == (store / "export" / name).read_bytes()
    wave = decode.read(tiny_corpus / "fall" / "eva_0.flac", 8000)
    assert np.array_equal(
        Tokenizer.from_pretrained(tmp_path / "model", "cpu").encode([wave], 8000)[0],
        Tokenizer.from_pretrained(store / "export", "cpu").encode([wave], 8000)[0],
    )


@pytest.mark.promise(
    "A version that the store does not have, or whose files are gone", "pull leaves the model that was there."
)
def test_an_error_leaves_what_was_there(store, tmp_path):
    pull("models:/tiny/1", tmp_path / "model")
    before = (tmp_path / "model" / "passport.json").read_bytes()
    with pytest.raises(UserError):
        pull("models:/tiny@nobody", tmp_path / "model")
    assert (tmp_path / "model" / "passport.json").read_bytes() == before
    (card,) = (store / "mlruns").rglob(f"{lookup.find('models:/tiny/1').model_id}/artifacts/{CARD_FILE}")
    card.rename(store / "away")
    try:
        with pytest.raises(UserError, match=f"lacks {CARD_FILE}"):
            pull("models:/tiny/1", tmp_path / "model")
    finally:
        (store / "away").rename(card)
    assert (tmp_path / "model" / "passport.json").read_bytes() == before
    assert set(names(tmp_path)) <= {"model", "cache"}
    (tmp_path / "model" / "mine.onnx").touch()
    with pytest.raises(UserError, match=r"also holds mine\.onnx"):
        pull("models:/tiny/1", tmp_path / "model")


def test_what_is_complete_is_not_downloaded_twice(store, tmp_path, monkeypatch):
    """A pull that is interrupted after the graph goes on with what is missing."""
    fetched = []

    def interrupted(address, place):
        fetched.append(address.rpartition("/")[2])
        if address.endswith("card.md") and fetched.count("card.md") == 1:
            raise KeyboardInterrupt
        return fetch(address, place)

    fetch = pulling.fetch
    monkeypatch.setattr(pulling, "fetch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pull("models:/tiny/1", tmp_path / "model")
    assert not (tmp_path / "model").exists()
    pull("models:/tiny/1", tmp_path / "model")
    assert fetched.count("model.onnx") == 1
    assert names(tmp_path / "model") == PULLED
    kept = cache.find(lookup.find("models:/tiny/1"))
    kept.write_bytes(b"damaged")
    pull("models:/tiny/1", tmp_path / "model")
    assert fetched.count("model.onnx") == 2


def test_a_version_of_an_earlier_release_has_no_passport_and_comes_all_the_same(store, tmp_path, lines):
    mlflow.set_tracking_uri(f"sqlite:///{store}/mlflow.db")
    mlflow.set_experiment("pull")
    with mlflow.start_run():
        logged = mlflow.onnx.log_model(
            onnx.load(store / "export" / "tokenizer.onnx"),
            name="tokenizer",
            registered_model_name="old",
            save_as_external_data=False,
        )
    pull(f"models:/old/{logged.registered_model_version}", tmp_path / "model")
    assert names(tmp_path / "model") == ["tokenizer.onnx"]
    assert any("models:/old/1 has no passport" in line for line in lines)


def test_a_version_whose_passport_is_gone_from_the_store_is_refused(store, tmp_path, monkeypatch):
    moved = shutil.copytree(store, tmp_path / "store")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{moved}/mlflow.db")
    (known,) = {path.read_text() for path in (moved / "mlruns").rglob("passport.json")}
    for path in (moved / "mlruns").rglob("passport.json"):
        path.unlink()
    # As `wav2tok register` tags versions.
    for tag, value in passport.tags(json.loads(known)).items():
        mlflow.MlflowClient(f"sqlite:///{moved}/mlflow.db").set_model_version_tag("tiny", "1", tag, value)
    with pytest.raises(UserError, match=r"models:/tiny/1 was registered with a passport\.json, and it is gone"):
        pull("models:/tiny@champion", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_signed_model_without_its_passport_is_not_verified(signed, keys, tmp_path):
    stripped = shutil.copytree(signed, tmp_path / "stripped")
    (stripped / "passport.json").unlink()
    with pytest.raises(UserError, match="does not hold"):
        pull(str(stripped), tmp_path / "model", keys / "ours.pub")
    assert not (tmp_path / "model").exists()


def rewrite(folder, **changes):
    path = folder / "passport.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def other_graph(folder):
    """A graph that runs and is of no tokenizer."""
    helper = onnx.helper
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    output = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "tokenizer.onnx")
    (folder / "passport.json").unlink()


def newer_graph(folder):
    model = onnx.load(folder / "tokenizer.onnx")
    (entry,) = (entry for entry in model.metadata_props if entry.key == METADATA_KEY)
    entry.value = json.dumps(json.loads(entry.value) | {"format": 99})
    onnx.save(model, folder / "tokenizer.onnx")
    (folder / "passport.json").unlink()


def cut_graph(folder):
    content = (folder / "tokenizer.onnx").read_bytes()
    (folder / "tokenizer.onnx").write_bytes(content[: len(content) // 2])


BAD = {
    "has another tokenizer.onnx than was exported": cut_graph,
    "has another card.md than was exported": lambda folder: (folder / "card.md").write_text("# better\n"),
    "has another tokenizer.int8.onnx than was exported": lambda folder: shutil.copy(
        folder / "tokenizer.onnx", folder / "tokenizer.int8.onnx"
    ),
    "lacks card.md": lambda folder: (folder / "card.md").unlink(),
    "is not valid JSON": lambda folder: (folder / "passport.json").write_text("{"),
    "is not a passport of wav2tok: it has no format": lambda folder: (folder / "passport.json").write_text("[]"),
    f"has format 99, and this wav2tok knows {FORMAT}; update": lambda folder: rewrite(folder, format=99),
    "not a passport of wav2tok: parameters is missing": lambda folder: rewrite(folder, parameters=3),
    "not a passport of wav2tok: files is missing": lambda folder: rewrite(folder, files={}),
    "is not a tokenizer of wav2tok": other_graph,
    "was exported by a newer wav2tok": newer_graph,
    "cannot be loaded by ONNX Runtime": lambda folder: (cut_graph(folder), (folder / "passport.json").unlink()),
}


@pytest.mark.parametrize("sentence", BAD)
def test_a_corrupt_or_foreign_model_is_refused_in_one_sentence(sentence, folder, tmp_path):
    BAD[sentence](folder)
    with pytest.raises(UserError) as refused:
        pull(str(folder), tmp_path / "model")
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
    assert names(tmp_path) == ["export"]


@pytest.mark.promise("The graph of a model was changed in the store", "pull refuses it by its digest.")
def test_a_changed_file_in_the_store_is_refused(store, tmp_path):
    mlflow.set_tracking_uri(f"sqlite:///{store}/mlflow.db")
    version = lookup.find("models:/tiny/1")
    (path,) = (store / "mlruns").rglob(f"{version.model_id}/artifacts/model.onnx")
    content = path.read_bytes()
    try:
        path.write_bytes(content + b"\0")
        with pytest.raises(UserError, match="the graph of models:/tiny/1 is not the one that was registered"):
            pull("models:/tiny/1", tmp_path / "model")
    finally:
        path.write_bytes(content)
    assert not (tmp_path / "model").exists()
    assert cache.find(version) is None


def test_a_signature_holds_for_its_key_alone(signed, keys, tmp_path):
    pull(str(signed), tmp_path / "model", keys / "ours.pub")
    assert names(tmp_path / "model") == sorted([*PULLED, "model.sig"])
    key(keys, "theirs")
    with pytest.raises(UserError, match=r"the signature of .* does not hold"):
        pull(str(signed), tmp_path / "other", keys / "theirs.pub")
    for what, why in {
        keys / "nothing.pub": "does not exist",
        signed / "card.md": "is not a public elliptic-curve key",
        keys / "ours.pem": "is not a public elliptic-curve key",
    }.items():
        with pytest.raises(UserError, match=why):
            pull(str(signed), tmp_path / "other", what)
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("name", ["tokenizer.onnx", "card.md", "passport.json", "model.sig"])
def test_a_changed_file_breaks_the_signature(name, signed, keys, tmp_path):
    """Also if somebody has changed the digests in the passport to fit."""
    folder = shutil.copytree(signed, tmp_path / "export")
    content = (folder / name).read_bytes()
    if name == "tokenizer.onnx":
        model = onnx.load(folder / name)
        model.doc_string = "changed"
        onnx.save(model, folder / name)
    else:
        (folder / name).write_bytes(content + b"\n" if name != "model.sig" else content.replace(b"a", b"b"))
    about = json.loads((folder / "passport.json").read_text())
    for file in ("tokenizer.onnx", "card.md"):
        about["files"][file] = pulling.sha256(folder / file)
    if name != "passport.json":
        (folder / "passport.json").write_text(json.dumps(about, indent=2) + "\n")
    with pytest.raises(UserError, match=r"the signature of .* does not hold"):
        pull(str(folder), tmp_path / "model", keys / "ours.pub")
    assert names(tmp_path) == ["export"]


def test_a_model_without_a_signature_is_refused_if_one_is_asked_for(folder, signed, keys, tmp_path):
    with pytest.raises(UserError, match=r"has no signature \(model\.sig\)"):
        pull(str(folder), tmp_path / "model", keys / "ours.pub")
    assert names(tmp_path) == ["export"]


def test_signing_needs_a_private_key(tiny_model, signed, keys, tmp_path):
    for what, why in {
        keys / "ours.pub": "is not a private elliptic-curve key",
        keys / "nothing.pem": "does not exist",
    }.items():
        with pytest.raises(UserError, match=why):
            export(tiny_model, None, tmp_path / "export", key=what)
    assert names(tmp_path) == []


def test_a_signed_version_is_verified_from_the_store(signed, keys, store, tmp_path):
    mlflow.set_tracking_uri(f"sqlite:///{store}/mlflow.db")
    mlflow.set_experiment("pull")
    registrations.register(signed, "signed")
    pull("models:/signed/1", tmp_path / "model", keys / "ours.pub")
    assert names(tmp_path / "model") == sorted([*PULLED, "model.sig"])
