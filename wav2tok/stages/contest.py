"""A challenger and the champion, measured on the recordings that neither has heard."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin, heard
from wav2tok.errors import UserError
from wav2tok.evaluation import promotion
from wav2tok.evaluation.clauses import Clause
from wav2tok.evaluation.promotion import Decision
from wav2tok.progress import log
from wav2tok.release import versions
from wav2tok.release.champion import Comparison, Decide
from wav2tok.tokenizer.tokenizer import Tokenizer


def compare(data: Path, challenger: Any, champion: Any, config: Config) -> Decision:
    """Compare two registered versions on the test part of ``data``, without what either was trained or validated on.

    Besides `wav2tok.evaluation.promotion.decide`, a challenger must know every class that the champion was trained on.
    """
    from wav2tok.evaluation.paired import measure  # imports torch, which a first registration does not need

    clauses = [_classes(challenger, champion)]
    left_out: set[str] = set()
    for version in (challenger, champion):
        known = versions.heard_by(version)
        if known is None:
            return Decision((*clauses, _unknown(version)))
        left_out |= known
    test = audios_bin.read(data).test
    rest = heard.unheard(test, left_out)
    log.info(
        f"comparing versions {challenger.version} and {champion.version} on {len(rest)} of {len(test)} test "
        "recordings; the others were in the training or validation of one of them"
    )
    try:
        tokenizers = [Tokenizer.from_pretrained(versions.uri(version), "cpu") for version in (challenger, champion)]
        ours, theirs = measure(rest, tokenizers, config.evaluate, config.seed)
    except UserError as error:
        if len(rest) >= config.register.min_queries:
            raise
        return Decision((*clauses, promotion.enough(0, config.register, f" ({str(error).rstrip('.')})")))
    decision = promotion.decide(ours, theirs, config.register, config.seed)
    return Decision((*clauses, *decision.clauses), decision.challenger, decision.champion, decision.queries)


def deciding(data: Path, config: Config, tell: Callable[[Decision], object]) -> Decide:
    """`compare` as `wav2tok.release.champion.contend` asks for it; ``tell`` gets every decision, with its figures."""

    def decide(challenger: Any, champion: Any) -> Comparison:
        decision = compare(data, challenger, champion, config)
        tell(decision)
        return Comparison(decision.won, decision.why)

    return decide


def _classes(challenger: Any, champion: Any) -> Clause:
    missing = sorted(versions.classes(champion) - versions.classes(challenger))
    text = (
        f"the champion, version {champion.version}, was trained on {len(missing)} classes that this model does not "
        f"know, such as {missing[0]}; promote this one by hand to replace it all the same."
        if missing
        else f"it knows all classes of the champion, version {champion.version}."
    )
    return Clause("known_classes", not missing, text, {"value": len(missing)})


def _unknown(version: Any) -> Clause:
    text = (
        f"version {version.version} does not say which recordings it was trained on, so no comparison is fair; promote "
        "this one by hand to replace it all the same."
    )
    return Clause("heard", False, text, {"version": str(version.version)})
