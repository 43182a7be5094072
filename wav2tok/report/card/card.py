"""The model card: what the tokenizer is, its inputs and outputs, and the evaluation report."""

from pathlib import Path
from typing import Any

from wav2tok.config.schema import Config
from wav2tok.files import read_text
from wav2tok.model.features.pretrained import Origin
from wav2tok.report.folder import ReportFolder
from wav2tok.report.templates import templates

CARD = templates("wav2tok.report.card").get_template("card.md")


def model_card(config: Config, info: dict[str, Any], report: Path | None, pretrained: Origin | None = None) -> str:
    """The card in Markdown.

    Args:
        info: the checkpoint's ``best_epoch`` and ``best`` validation score.
        report: the report folder of ``wav2tok evaluate``, whose ``report.md`` is appended; None without a report.
        pretrained: what the features contain that was not trained here.

    Raises:
        UserError: ``report`` holds no ``report.md``.
    """
    evaluation = None if report is None else read_text(ReportFolder(report).markdown)
    return CARD.render(config=config, info=info, evaluation=evaluation, pretrained=pretrained)
