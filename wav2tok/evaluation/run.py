"""From an ``audios.bin`` and a model to the report: what ``wav2tok evaluate`` does."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from wav2tok import lineage, tracking
from wav2tok.config import Config, from_dict
from wav2tok.corpus import splits
from wav2tok.evaluation import gate, report
from wav2tok.evaluation.evaluate import Result
from wav2tok.evaluation.evaluate import evaluate as judge_all
from wav2tok.evaluation.systems import Represent
from wav2tok.extras import need
from wav2tok.files import write_json
from wav2tok.model import Wav2Tok, create
from wav2tok.tokenizer import Tokenizer, located
from wav2tok.training import checkpoint
from wav2tok.training.run import UNTRAINED
from wav2tok.training.steps import expectation, tokenize
from wav2tok.training.store import build, fill

Say = Callable[[str], None]
HELD_OUT = "heldout.json"


def held_out_score(result: Result) -> float:
    """What champions are chosen by: the mean of MRR and MAP by plain edit distance over the kinds of view."""
    return float(
        np.mean([estimates[m].value for estimates in result.scores[gate.JUDGED].values() for m in ("mrr", "map")])
    )


def _torch_encoder(model: Wav2Tok) -> Represent:
    """Waveforms to token strings by torch; the module need not have been exported."""
    cpu = torch.device("cpu")
    model = model.to(cpu).eval()
    return lambda waves: tokenize(model, fill(waves, model.front_end, None, cpu))


def _untrained(graph: Path, config: Config, train: splits.Recordings) -> Wav2Tok:
    """The untrained encoder with its first codebook: beside the graph where training left it, else made again."""
    if (graph.parent / f"{UNTRAINED}.safetensors").exists():
        return checkpoint.load(graph.parent, UNTRAINED)[0]
    model = create(config)
    store = build(train.paths, model.front_end, None, torch.device("cpu"))
    expectation(model, store, config, (config.seed, 0), warm=False)
    return model


def judge(data: Path, tokenizer: Tokenizer, graph: Path, config: Config, say: Say) -> Result:
    """Every system on the test part of ``data``, the tokenizer as it is served: by ONNX Runtime.

    Features, rate and codebook size of the baselines are those of the tokenizer; ``config`` gives the protocol.
    """
    parts = splits.read(data)
    trained_with = from_dict(tokenizer.about["config"])
    settings = dataclasses.replace(trained_with, evaluate=config.evaluate, gate=config.gate)
    train = splits.with_validation(parts, trained_with.split.valid_share, trained_with.seed).train

    def encode(waves: list[np.ndarray]) -> list[np.ndarray]:
        return tokenizer.encode(waves, tokenizer.sample_rate)

    return judge_all(
        train,
        parts.test,
        encode,
        tokenizer.codebook,
        _torch_encoder(_untrained(graph, trained_with, train)),
        settings,
        say,
    )


def evaluate(data: Path, model: str, out: Path, config: Config, device: str, track: bool, say: Say) -> gate.Verdict:
    """Write the report on ``model`` to the folder ``out`` and its figures to the model's MLflow run."""
    need("evaluate", "matplotlib", "numba", "python_stretch", "ranx", "sklearn")
    with located(model) as graph:
        tokenizer = Tokenizer(graph, device)
        say(f"model {model}, {tokenizer.num_tokens} tokens, {tokenizer.provider}")
        result = judge(data, tokenizer, graph, config, say)
        run = tracking.run_of(graph.parent)
    verdict = gate.judge(result, config.gate)
    report.write(result, verdict, out)
    score = held_out_score(result)
    digest = lineage.held_out_digest(splits.read(data).test, config.evaluate)
    write_json(out / HELD_OUT, {"score": score, "test_digest": digest, "approved": verdict.approved})
    say(report.table(result))
    say(
        ("approved" if verdict.approved else "not approved: " + " ".join(verdict.reasons))
        + f"; held-out score {score:.3f}; report {out / 'report.md'}"
    )
    if track and tracking.available():
        with tracking.run(config.register.experiment, run_id=run, name="evaluate") as recorder:
            figures = {
                f"test/{kind}/{system}/{metric}": estimate.value
                for system, kinds in result.scores.items()
                for kind, metrics in kinds.items()
                for metric, estimate in metrics.items()
            }
            figures |= {f"test/tokens/{name}": value for name, value in result.tokens.items()}
            recorder.metrics([(0, {k: v for k, v in (figures | {"test/score": score}).items() if np.isfinite(v)})])
            recorder.tags({"approved": str(verdict.approved).lower()})
            recorder.artifact(out, "report")
    return verdict
