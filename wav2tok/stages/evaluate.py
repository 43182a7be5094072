"""From an ``audios.bin`` and a model to the report: what ``wav2tok evaluate`` does."""

from pathlib import Path

from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin
from wav2tok.evaluation import gate, held_out
from wav2tok.evaluation.held_out import held_out_score, judge
from wav2tok.extras import need
from wav2tok.files import write_json
from wav2tok.progress import log
from wav2tok.report import files, tables
from wav2tok.report.files import figures
from wav2tok.report.folder import ReportFolder
from wav2tok.tokenizer.locate import located
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import runs, store


def evaluate(data: Path, model: str, out: Path, config: Config, device: str, track: bool) -> gate.Verdict:
    """Write the report on a model to the folder ``out``, and its figures to the MLflow run of the model.

    Args:
        data: the ``audios.bin`` whose test part is used.
        model: a file, a folder or an MLflow URI, as `wav2tok.tokenizer.locate.located` takes it.
        device: as `Tokenizer.from_pretrained` takes it.
        track: whether to log to MLflow, if it is installed.

    Returns:
        Whether the gate approves the model, and why.
    """
    gate.require(config.gate, config.evaluate.baselines)
    need("evaluate", "matplotlib", "numba", "python_stretch", "sklearn")
    from wav2tok.report.page import page  # needs the extra

    with located(model) as graph:
        tokenizer = Tokenizer(graph, device)
        log.info(f"model {model}, {tokenizer.num_tokens} tokens, {tokenizer.provider}")
        judged = judge(data, tokenizer, graph, config)
        run_id = runs.run_of(graph.parent)
    verdict = gate.judge(judged.retrieval, config.gate)
    report = ReportFolder(out)
    files.write(judged, verdict, out)
    rate = tokenizer.sample_rate
    page.write(judged, verdict, report.page, rate, lambda waves: tokenizer.encode_frames(waves, rate))
    score = held_out_score(judged.retrieval)
    digest = held_out.held_out_digest(audios_bin.read(data).test, config.evaluate)
    write_json(report.held_out, {"score": score, "test_digest": digest, "approved": verdict.approved})
    log.info(tables.overview(judged.retrieval).text())
    log.info(
        ("approved" if verdict.approved else "not approved: " + " ".join(verdict.reasons))
        + f"; held-out score {score:.3f}; report {report.page}"
    )
    if track and store.available():
        with runs.run(config.register.experiment, run_id=run_id, name="evaluate") as recorder:
            recorder.metrics(figures(judged))
            recorder.tags({"approved": str(verdict.approved).lower()})
            recorder.artifact(out, "report")
    return verdict
