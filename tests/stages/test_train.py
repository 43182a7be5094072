"""``wav2tok train`` and ``evaluate`` as one MLflow run: what is in it, what goes on in it, and in which store."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import mlflow
import pytest
import yaml
from matplotlib import image

from tests.helpers import changed, free_port, wav2tok
from tests.stages.conftest import report
from tests.training.trainings import interrupted_after
from wav2tok.config.parameters import flatten, to_dict
from wav2tok.model import checkpoint
from wav2tok.model.folder import ModelFolder
from wav2tok.stages.train import TrainRun, train, train_tracked
from wav2tok.tracking import lineage, runs, store, view


def points(run_id, key):
    return {m.step: m.value for m in mlflow.MlflowClient().get_metric_history(run_id, key)}


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_split, tiny_config):
    """A git folder with a split and parameters, the default store in it, within a DVC experiment."""
    root = tmp_path_factory.mktemp("tracked")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        mlflow.set_tracking_uri(None)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
        patch.setenv("DVC_EXP_NAME", "waxy-seal")
        patch.setenv("DVC_STAGE", "train")
        shutil.copy(tiny_split, "audios.bin")
        small = changed(tiny_config, train={"autosave_epoch": 2}, evaluate={"tempos": [0.8], "semitones": []})
        (root / "params.yaml").write_text(yaml.safe_dump(to_dict(small)))
        git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]
        for command in (["init", "-q"], ["add", "params.yaml"], ["commit", "-qm", "parameters"]):
            subprocess.run([*git, *command], check=True)
        yield root
        mlflow.set_tracking_uri(None)


@pytest.fixture
def here(place, monkeypatch):
    """`place` as the working folder, with its store."""
    monkeypatch.chdir(place)
    mlflow.set_tracking_uri(None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{place}/mlflow.db")
    yield place
    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def trained(place):
    """The id of the run that ``wav2tok train`` made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
        wav2tok(patch, "train", "--data", "audios.bin", "--out", "model")
    return json.loads((place / "model" / "run.json").read_text())["run_id"]


def test_one_training_is_one_finished_run(here, trained):
    logged = mlflow.search_runs(experiment_names=["wav2tok"], output_format="list")
    # Nothing differs from the committed parameters.
    assert [run.info.run_id for run in logged if run.info.run_name == "staged (waxy-seal)"] == [trained]
    assert mlflow.get_run(trained).info.status == "FINISHED"
    assert (here / "mlflow.db").exists()


def test_every_parameter_is_logged_by_its_dotted_name(here, trained):
    values = yaml.safe_load((here / "params.yaml").read_text())
    values["recipe"] = values.pop("recipes")["staged"]
    expected = {key: str(value) for key, value in flatten(values).items()}
    assert mlflow.get_run(trained).data.params == expected
    assert expected["codebook.num_tokens"] == "8"
    assert expected["recipe.batch_size"] == "8"


def test_losses_are_there_at_every_step(here, trained):
    history = json.loads((here / "model" / "history.json").read_text())
    metrics = mlflow.get_run(trained).data.metrics
    steps = range(1, 3 * 8 + 1)
    assert sorted(points(trained, "step/loss")) == list(steps)
    assert sorted(points(trained, "step/sequence")) == list(steps)
    # The second stage alone has the losses of EM.
    likelihood = [key for key in metrics if key.startswith("step/") and key not in ("step/loss", "step/sequence")]
    assert likelihood
    for key in likelihood:
        assert sorted(points(trained, key)) == list(range(17, 25)), key
    by_step = points(trained, "step/loss")
    for row in history:
        mean = sum(by_step[s] for s in range(8 * (int(row["epoch"]) - 1) + 1, 8 * int(row["epoch"]) + 1)) / 8
        assert row["loss"] == pytest.approx(mean)


def test_validation_is_there_by_epoch(here, trained):
    history = json.loads((here / "model" / "history.json").read_text())
    for name in ("mrr", "map", "mrr_augmented", "score"):
        assert points(trained, f"valid/{name}") == {8 * int(r["epoch"]): r[f"valid_{name}"] for r in history}
    assert points(trained, "valid/best_score") == {24: max(r["valid_score"] for r in history)}
    best = max(history, key=lambda r: r["valid_score"])["epoch"]
    assert mlflow.get_run(trained).data.tags["best_epoch"] == str(int(best))


def test_tags_say_where_it_comes_from(here, trained):
    tags = mlflow.get_run(trained).data.tags
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert tags["git.commit"] == head
    assert tags["git.dirty"] == "false"
    assert tags["data.split"] == lineage.file_digest(here / "audios.bin")
    assert (tags["dvc.experiment"], tags["dvc.stage"]) == ("waxy-seal", "train")


def test_the_data_sets_are_inputs_with_a_digest(here, trained):
    inputs = mlflow.get_run(trained).inputs.dataset_inputs
    contexts = {tag.value for each in inputs for tag in each.tags if tag.key == "mlflow.data.context"}
    assert contexts == {"training", "validation", "testing"}
    assert {each.dataset.digest for each in inputs} == {lineage.file_digest(here / "audios.bin")}
    rows = sorted(json.loads(each.dataset.profile)["num_rows"] for each in inputs)
    assert rows == [8, 8, 12]


def test_the_figures_are_pictures(here, trained, tmp_path):
    folder = mlflow.artifacts.download_artifacts(run_id=trained, artifact_path="figures", dst_path=str(tmp_path))
    assert sorted(os.listdir(folder)) == ["spectrogram.png", "tokens.png", "training.png"]
    for name in os.listdir(folder):
        pixels = image.imread(os.path.join(folder, name))
        assert pixels.shape[0] >= 300
        assert pixels.shape[1] >= 800
        assert pixels[..., :3].std() > 0.01


def test_the_model_is_in_the_run_without_a_pickle(here, trained):
    kept = {a.path for a in mlflow.artifacts.list_artifacts(run_id=trained, artifact_path="model")}
    assert kept == {f"model/{name}" for name in os.listdir(here / "model") if name != "wav2tok_2.safetensors"}
    assert {"model/wav2tok_best.safetensors", "model/tokenizer.onnx", "model/config.json"} <= kept


def test_checkpoints_are_models_with_step_and_metrics(here, trained, tmp_path):
    history = json.loads((here / "model" / "history.json").read_text())
    best = max(history, key=lambda row: row["valid_score"])
    run = mlflow.get_run(trained)
    found = {}
    for out in run.outputs.model_outputs:
        model = mlflow.get_logged_model(out.model_id)
        found[model.name] = (out.step, {m.key: m.value for m in model.metrics if m.step == out.step})
    assert found["wav2tok_2"][0] == 16
    assert found["wav2tok_2"][1]["valid/mrr"] == history[1]["valid_mrr"]
    assert found["wav2tok_best"][0] == 8 * best["epoch"]
    assert found["wav2tok_best"][1]["valid/score"] == best["valid_score"]
    ids = {mlflow.get_logged_model(out.model_id).name: out.model_id for out in run.outputs.model_outputs}
    folder = store.fetch(f"models:/{ids['wav2tok_best']}", tmp_path / "best")
    assert {"wav2tok_best.safetensors", "tokenizer.onnx", "config.json"} <= set(os.listdir(folder))


def test_the_experiment_has_its_view(here, trained):
    tags = mlflow.get_experiment(mlflow.get_run(trained).info.experiment_id).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    state = json.loads(tags[view.TAG])
    assert state["selectedColumns"][:3] == ["tags.`outcome`", "metrics.`test/mrr`", "metrics.`test/map`"]
    assert state["compareRunSections"][0]["name"] == "loss and validation retrieval"
    metrics = mlflow.get_run(trained).data.metrics
    first = [
        chart for chart in state["compareRunCharts"] if chart["metricSectionId"] == "loss and validation retrieval"
    ]
    assert {name for chart in first for name in chart["selectedMetricKeys"]} <= set(metrics)
    # The UI compares runs by the metric that it finds first.
    assert next(iter(metrics)).endswith("loss")


def test_tracking_changes_no_weight(here, trained, tiny_split, tiny_config, tmp_path):
    train(TrainRun(tiny_split, tmp_path / "model", None, tiny_config, "cpu", True))
    assert (tmp_path / "model" / "history.json").exists()
    ours = json.loads((here / "model" / "history.json").read_text())
    theirs = json.loads((tmp_path / "model" / "history.json").read_text())
    timed = ("seconds", "audio_per_second")
    assert [{k: v for k, v in r.items() if k not in timed} for r in ours] == [
        {k: v for k, v in r.items() if k not in timed} for r in theirs
    ]


def test_evaluate_goes_on_in_the_same_run(here, trained, monkeypatch):
    before = len(mlflow.search_runs(search_all_experiments=True, output_format="list"))
    wav2tok(monkeypatch, "evaluate", "--data", "audios.bin", "--model", "model", "--out", "report",
            "--set", "register.experiment=elsewhere")  # fmt: skip
    assert len(mlflow.search_runs(search_all_experiments=True, output_format="list")) == before
    run = mlflow.get_run(trained)
    assert run.info.status == "FINISHED"
    heldout = json.loads((here / "report" / "heldout.json").read_text())
    figures = json.loads((here / "report" / "metrics.json").read_text())
    assert run.data.metrics["test/score"] == pytest.approx(heldout["score"])
    tested = {name: value for name, value in run.data.metrics.items() if name.startswith("test/")}
    assert tested["test/mrr"] == pytest.approx(figures["V"]["wav2tok"]["mrr"], abs=1e-6)
    assert tested["test/map_ts"] == pytest.approx(figures["TS"]["wav2tok"]["map"], abs=1e-6)
    # A handful, without those of other systems and without points of curves, which are figures and tables.
    assert len(tested) < 10
    assert not [name for name in run.data.metrics if name.startswith("curve/")]
    headline = json.loads((here / "report" / "headline.json").read_text())
    assert tested == pytest.approx({f"test/{name}": value for name, value in headline.items() if name != "approved"})
    assert run.data.tags["approved"] == str(heldout["approved"]).lower()
    kept = {a.path for a in mlflow.artifacts.list_artifacts(run_id=trained, artifact_path="report")}
    assert {"report/report.md", "report/metrics.json", "report/plots", "report/robustness.csv"} <= kept
    assert points(trained, "step/loss").keys() == set(range(1, 25))  # what training logged is still there


def test_training_again_into_the_same_folder_is_another_run(here, trained, tiny_config, tmp_path):
    shutil.copytree("model", tmp_path / "model")
    config = changed(tiny_config, train={"epochs": 1})
    train_tracked(TrainRun(here / "audios.bin", tmp_path / "model", None, config, "cpu", True))
    again = runs.run_of(tmp_path / "model")
    assert again != trained
    assert mlflow.get_run(again).data.params["train.epochs"] == "1"
    assert sorted(points(again, "step/loss")) == list(range(1, 9))


def test_more_epochs_are_another_run_that_names_the_first(here, trained, tiny_config, tmp_path):
    """The first run's parameters say how long it was trained; MLflow cannot change them."""
    shutil.copytree("model", tmp_path / "model")
    epochs = tiny_config.train.epochs + 1
    config = changed(tiny_config, train={"epochs": epochs})
    train_tracked(TrainRun(here / "audios.bin", tmp_path / "model", None, config, "cpu", False))
    more = mlflow.get_run(runs.run_of(tmp_path / "model"))
    assert more.info.run_id != trained
    assert more.data.tags["continues"] == trained
    assert more.data.params["train.epochs"] == str(epochs)
    assert sorted(points(more.info.run_id, "step/loss")) == list(range(8 * (epochs - 1) + 1, 8 * epochs + 1))


def test_an_active_run_is_trained_in_and_left_open(here, trained, tiny_config, tmp_path):
    mlflow.set_experiment("mine")
    with mlflow.start_run() as mine:
        config = changed(tiny_config, train={"epochs": 1})
        train_tracked(TrainRun(here / "audios.bin", tmp_path / "model", None, config, "cpu", True))
        assert mlflow.active_run().info.run_id == mine.info.run_id
        assert mlflow.get_run(mine.info.run_id).info.status == "RUNNING"
    assert runs.run_of(tmp_path / "model") == mine.info.run_id
    assert mlflow.get_run(mine.info.run_id).data.params["train.epochs"] == "1"


@pytest.fixture
def interrupted(here, trained, tiny_config, tmp_path):
    """A folder where a training was stopped after its first epoch, and its run's id."""
    out = tmp_path / "model"
    with interrupted_after(1):
        train_tracked(TrainRun(here / "audios.bin", out, None, tiny_config, "cpu", False))
    run_id = runs.run_of(out)
    assert mlflow.active_run() is None
    assert mlflow.get_run(run_id).info.status == "KILLED"
    return out, run_id


def test_a_training_that_was_stopped_continues_in_its_run(here, trained, interrupted, tiny_config, lines):
    out, run_id = interrupted
    train_tracked(TrainRun(here / "audios.bin", out, None, tiny_config, "cpu", False))
    assert any(line.startswith("resuming after epoch 1") for line in lines)
    assert runs.run_of(out) == run_id
    assert mlflow.get_run(run_id).info.status == "FINISHED"
    assert points(run_id, "step/loss") == points(trained, "step/loss")  # as if nothing had happened


def test_a_training_that_was_stopped_before_its_first_step_continues_in_its_run(here, tiny_config, tmp_path):
    """A linear encoder has a checkpoint then: it is judged before it learns."""
    config = changed(tiny_config, encoder={"kind": "linear", "dim": 48})
    run = TrainRun(here / "audios.bin", tmp_path / "model", None, config, "cpu", False)
    with interrupted_after(0):
        train_tracked(run)
    stopped = runs.run_of(run.out)
    assert points(stopped, "valid/score").keys() == {0}
    train_tracked(run)
    assert runs.run_of(run.out) == stopped
    assert mlflow.get_run(stopped).info.status == "FINISHED"
    assert min(points(stopped, "step/loss")) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "said"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupted")])
def test_a_signal_ends_the_run_as_killed_and_keeps_the_checkpoint(here, tiny_config, tmp_path, sent, said):
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(to_dict(changed(tiny_config, train={"epochs": 500, "patience": 500}))))
    out = tmp_path / "model"
    process = subprocess.Popen(
        [sys.executable, "-m", "wav2tok", "train", "--data", here / "audios.bin", "--out", out, "--params", params],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell that runs the tests in the background has SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 2/"):
            process.send_signal(sent)
            break
    printed, complaint = process.communicate(timeout=60)
    assert process.returncode == 128 + sent
    kept = checkpoint.peek(ModelFolder(out).last)
    assert kept["epoch"] >= 2
    steps = f" and {len(kept['begun'])} steps" if kept["begun"] else ""
    assert f"stopped after epoch {kept['epoch']}{steps}; the same command resumes from {out}" in printed
    assert f"wav2tok: {said}; finished work is kept." in complaint
    assert "Traceback" not in complaint
    assert mlflow.get_run(runs.run_of(out)).info.status == "KILLED"


def test_another_training_over_a_stopped_one_is_another_run(here, interrupted, tiny_config, lines):
    """Its parameters differ, so it starts over: in the old run it would appear under the old parameters."""
    out, run_id = interrupted
    other = changed(tiny_config, train={"epochs": 1}, codebook={"num_tokens": 4})
    train_tracked(TrainRun(here / "audios.bin", out, None, other, "cpu", False, replace=True))
    assert not any(line.startswith("resuming") for line in lines)
    again = runs.run_of(out)
    assert mlflow.get_run(again).data.params["codebook.num_tokens"] == "4"
    assert again != run_id


@pytest.mark.slow
@pytest.mark.services
def test_a_real_server_is_the_store(here, tiny_config, tmp_path, tiny_corpus, monkeypatch, capsys):
    """Training, registering and tokenizing through ``mlflow server``; nothing is left in the working folder."""
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    (tmp_path / "server").mkdir()
    (tmp_path / "work").mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")} | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1",
    }  # fmt: skip
    with open(tmp_path / "server.log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
             "--backend-store-uri", f"sqlite:///{tmp_path}/server/mlflow.db",
             "--artifacts-destination", str(tmp_path / "server" / "artifacts")],
            cwd=tmp_path / "server", env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=2)
                break
            except (urllib.error.URLError, OSError):
                assert server.poll() is None, (tmp_path / "server.log").read_text()
                time.sleep(0.25)
        else:
            pytest.fail((tmp_path / "server.log").read_text())
        monkeypatch.chdir(tmp_path / "work")
        mlflow.set_tracking_uri(None)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        (tmp_path / "work" / "params.yaml").write_text(
            yaml.safe_dump(to_dict(changed(tiny_config, train={"epochs": 1})))
        )
        wav2tok(monkeypatch, "train", "--data", here / "audios.bin", "--out", "model")
        run_id = runs.run_of(tmp_path / "work" / "model")
        run = mlflow.get_run(run_id)
        assert (run.info.status, run.data.params["train.epochs"]) == ("FINISHED", "1")
        assert sorted(points(run_id, "step/loss")) == list(range(1, 9))
        monkeypatch.delenv("DVC_EXP_NAME")  # an experiment would register nothing
        report(tmp_path / "work" / "report", tmp_path / "work" / "model", here / "audios.bin")
        wav2tok(monkeypatch, "export", "--model", "model", "--report", "report", "--out", "export")
        wav2tok(monkeypatch, "register", "--model", "export", "--report", "report", "--data", here / "audios.bin",
                "--out", "registered")  # fmt: skip
        capsys.readouterr()
        wav2tok(monkeypatch, "tokenize", tiny_corpus / "arch" / "ada_0.flac", "--model", "models:/wav2tok@champion")
        line = json.loads(capsys.readouterr().out)
        wav2tok(monkeypatch, "tokenize", tiny_corpus / "arch" / "ada_0.flac", "--model", "model")
        assert line["tokens"] == json.loads(capsys.readouterr().out)["tokens"]
        assert not {"mlflow.db", "mlruns", "mlartifacts"} & set(os.listdir(tmp_path / "work"))
        wav2tok(monkeypatch, "pull", "models:/wav2tok@champion", "--out", "pulled")
        for name in ("card.md", "passport.json", "tokenizer.onnx"):
            assert (tmp_path / "work" / "pulled" / name).read_bytes() == (
                tmp_path / "work" / "export" / name
            ).read_bytes()
        after = mlflow.get_run(run_id)
        assert (after.info.status, after.info.end_time) == ("FINISHED", run.info.end_time)
        assert after.data.tags["outcome"] == "champion, version 1"
    finally:
        os.killpg(server.pid, 15)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, 9)
            server.wait()
