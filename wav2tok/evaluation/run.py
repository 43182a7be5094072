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
from wav2tok.evaluation.curves import AXES
from wav2tok.evaluation.evaluate import Result
from wav2tok.evaluation.evaluate import evaluate as judge_all
from wav2tok.evaluation.metrics import METRICS
from wav2tok.evaluation.sentences import spot_words
from wav2tok.evaluation.significance import TESTED
from wav2tok.evaluation.systems import UNTRAINED as UNTRAINED_SYSTEM
from wav2tok.evaluation.systems import Represent, asked_for
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


def judge(data: Path, tokenizer: Tokenizer, graph: Path, config: Config, say: Say, *, alone: bool = False) -> Result:
    """Every system on the test part of ``data``, the tokenizer as it is served: by ONNX Runtime.

    Features, rate and codebook size of the baselines are those of the tokenizer; ``config`` gives the protocol.

    Args:
        alone: only the tokenizer, without baselines and robustness curves: all that `held_out_score` reads.
    """
    parts = splits.read(data)
    trained_with = from_dict(tokenizer.about["config"])
    asked = dataclasses.replace(config.evaluate, baselines=(), curve_queries=0) if alone else config.evaluate
    settings = dataclasses.replace(trained_with, evaluate=asked, gate=config.gate)
    train = splits.with_validation(parts, trained_with.split.valid_share, trained_with.seed).train

    def encode(waves: list[np.ndarray]) -> list[np.ndarray]:
        return tokenizer.encode(waves, tokenizer.sample_rate)

    untrained = _untrained(graph, trained_with, train) if asked_for(UNTRAINED_SYSTEM, asked.baselines) else None
    random_weights = None if untrained is None else _torch_encoder(untrained)
    result = judge_all(train, parts.test, encode, tokenizer.codebook, random_weights, settings, say)
    if not alone:
        result.spotting = spot_words(train, parts.test, tokenizer, untrained, settings, say)
    return result


def figures(result: Result) -> list[tuple[int, dict[str, float]]]:
    """What is logged to MLflow, as (step, figures); what is not finite is left out.

    The estimates, the tokens and the score at step 0; the curves at steps that are their factors, so that the UI draws
    them: decibels, semitones, and tempo in percent.
    """
    found = {
        f"test/{kind}/{system}/{metric}": estimate.value
        for system, kinds in result.scores.items()
        for kind, estimates in kinds.items()
        for metric, estimate in estimates.items()
    }
    found |= {f"test/tokens/{name}": value for name, value in result.tokens.items()}
    if result.spotting is not None:
        found |= {
            f"test/spotting/{system}/{metric}": estimate.value
            for system, judged in result.spotting.systems.items()
            for metric, estimate in judged.scores.items()
        }
    rows = [(0, found | {"test/score": held_out_score(result)})]
    for kind, curve in result.curves.items():
        for place, factor in enumerate(curve.factors):
            if np.isfinite(factor):  # a clean query has no place on a scale of decibels
                step = round(factor * (100 if kind == "TS" else 1))
                named = {
                    f"curve/{AXES[kind]}/{system}/{metric}": float(value)
                    for system, values in curve.scores.items()
                    for metric, value in zip(METRICS, values[place], strict=True)
                    if metric in TESTED
                }
                rows.append((step, named))
    return [(step, {k: v for k, v in named.items() if np.isfinite(v)}) for step, named in rows]


def evaluate(data: Path, model: str, out: Path, config: Config, device: str, track: bool, say: Say) -> gate.Verdict:
    """Write the report on ``model`` to the folder ``out`` and its figures to the model's MLflow run."""
    gate.require(config.gate, config.evaluate.baselines)
    need("evaluate", "matplotlib", "numba", "python_stretch", "ranx", "sklearn")
    from wav2tok.evaluation import page  # needs the extra

    with located(model) as graph:
        tokenizer = Tokenizer(graph, device)
        say(f"model {model}, {tokenizer.num_tokens} tokens, {tokenizer.provider}")
        result = judge(data, tokenizer, graph, config, say)
        run = tracking.run_of(graph.parent)
    verdict = gate.judge(result, config.gate)
    report.write(result, verdict, out)
    rate = tokenizer.sample_rate
    page.write(result, verdict, out / "report.html", rate, lambda waves: tokenizer.encode_frames(waves, rate))
    score = held_out_score(result)
    digest = lineage.held_out_digest(splits.read(data).test, config.evaluate)
    write_json(out / HELD_OUT, {"score": score, "test_digest": digest, "approved": verdict.approved})
    say(report.table(result))
    say(
        ("approved" if verdict.approved else "not approved: " + " ".join(verdict.reasons))
        + f"; held-out score {score:.3f}; report {out / 'report.html'}"
    )
    if track and tracking.available():
        with tracking.run(config.register.experiment, run_id=run, name="evaluate") as recorder:
            recorder.metrics(figures(result))
            recorder.tags({"approved": str(verdict.approved).lower()})
            recorder.artifact(out, "report")
    return verdict
