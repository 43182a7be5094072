"""From an ``audios.bin`` and a model to the report: what ``wav2tok evaluate`` does."""

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin
from wav2tok.corpus.among import warn_among
from wav2tok.evaluation import gate, held_out
from wav2tok.evaluation.held_out import held_out_score, judge
from wav2tok.extras import need
from wav2tok.files import locked, write_json
from wav2tok.model import checkpoint
from wav2tok.model.folder import ModelFolder
from wav2tok.progress import log
from wav2tok.report import files, seal, tables, training
from wav2tok.report.folder import ReportFolder
from wav2tok.report.logged import headline, write_curves
from wav2tok.tokenizer import ready_made
from wav2tok.tokenizer.locate import located
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import lineage, runs, store
from wav2tok.tracking.unsent import UNSENT
from wav2tok.writable import require_own

if TYPE_CHECKING:
    from wav2tok.report.page.page import Origin


def evaluate(data: Path, model: str, out: Path, config: Config, device: str, track: bool) -> gate.Verdict:
    """Write the report on a model to the folder ``out``, and its figures to the MLflow run of the model.

    Args:
        data: the ``audios.bin`` whose test part is used.
        model: a ready-made model, a file, a folder or an MLflow URI, as `wav2tok.tokenizer.locate.located` takes it.
        device: as `Tokenizer.from_pretrained` takes it.
        track: whether to log to MLflow, if it is installed.

    Returns:
        Whether the gate approves the model, and why.
    """
    with locked(out):
        return _evaluate(data, model, out, config, device, track)


def _evaluate(data: Path, model: str, out: Path, config: Config, device: str, track: bool) -> gate.Verdict:
    report = ReportFolder(out)
    require_own(out, report.held_out.name, report.names)
    if track and store.available():
        store.check()
    gate.require(config.gate, config.evaluate.baselines)
    need("evaluate", "matplotlib", "numba", "python_stretch", "sklearn")
    from wav2tok.report.page import match, page  # need the extra

    test = audios_bin.read(data).test
    warn_among(out, test)
    with located(model) as (graph, source):
        tokenizer = Tokenizer(graph, device, source=source)
        log.info(f"model {source}, {tokenizer.num_tokens} tokens, {tokenizer.provider}")
        judged = judge(data, tokenizer, graph, config)
        run_id, trained = runs.run_of(graph.parent), _is_complete(graph.parent)
        unsent = graph.parent / UNSENT
        origin = _origin(data, tokenizer, graph, source, run_id)
    verdict = gate.judge(judged.retrieval, config.gate)
    score = held_out_score(judged.retrieval)
    digest = held_out.held_out_digest(test, config.evaluate)
    # First the file by which the folder is known to be ours. Without its seal, a half-written report decides nothing.
    report.seal.unlink(missing_ok=True)
    write_json(report.held_out, {"score": score, "test_digest": digest, "approved": verdict.approved})
    files.write(judged, verdict, out)
    rate = tokenizer.sample_rate

    def frames(waves: list[np.ndarray]) -> list[np.ndarray]:
        return tokenizer.encode_frames(waves, rate)

    match.write(judged.retrieval, report.match, rate, frames)
    page.write(judged, verdict, report.page, rate, frames, origin)
    figures = headline(judged, verdict)
    write_json(report.headline, figures)
    seal.write(report, tokenizer.identity, lineage.file_digest(data))
    log.info(tables.overview(judged.retrieval).text())
    log.info(
        ("approved" if verdict.approved else "not approved: " + " ".join(verdict.reasons))
        + f"; held-out score {score:.3f}; report {report.page}"
    )
    if track and store.available():
        with runs.run(config.register.experiment, run_id=run_id, name="evaluate", trained=trained) as recorder:
            recorder.catch_up(unsent)
            recorder.scores(None, figures)
            runs.outcome(recorder.run_id, runs.VERDICTS[verdict.approved])
            recorder.artifact(out, "report")
            with training.folder() as folder:
                write_curves(judged.retrieval, folder / "robustness.csv")
                recorder.artifact(folder, "report")
    return verdict


def _is_complete(folder: Path) -> bool:
    """Whether a training has ended in this folder; its run says otherwise if the store was away then."""
    last = ModelFolder(folder).last
    return last.exists() and bool(checkpoint.peek(last).get("finished"))


def _origin(data: Path, tokenizer: Tokenizer, graph: Path, source: str, run_id: str | None) -> "Origin":
    """What the page says of the date, the code, the data and the model.

    Digests are cut to ten digits, and that of the run to eight, as MLflow shows it.
    """
    from wav2tok.report.page.page import Origin

    known = lineage.tags(data)
    commit = known.get("git.commit")
    changed = " with changes" if known.get("git.dirty") == "true" else ""
    trained = tokenizer.metadata.config
    # A path would say where on this machine the model is, not which one it is.
    name = (
        source
        if ":/" in source or source.startswith(ready_made.PREFIX)
        else trained.get("train", {}).get("name", graph.stem)
    )
    epoch = "" if tokenizer.metadata.epoch is None else f", epoch {tokenizer.metadata.epoch}"
    return Origin(
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        commit=None if commit is None else commit[:10] + changed,
        data=known["data.split"][:10],
        model=f"{name}{epoch} ({tokenizer.identity[:10]})",
        run=None if run_id is None else run_id[:8],
        seed=str(trained["seed"]) if "seed" in trained else None,
    )
