"""The model card."""

from pathlib import Path
from typing import Any

from wav2tok.config.schema import Config
from wav2tok.files import read_text


def model_card(config: Config, info: dict[str, Any], report: Path | None) -> str:
    lines = [
        f"# {config.register.name}",
        "",
        f"Turns audio at {config.data.sample_rate} Hz into strings of {config.codebook.num_tokens} tokens; similar "
        "recordings get similar strings.",
        "",
        f"- recipe `{config.train.recipe}`, seed {config.seed}, best epoch {info['best_epoch']}, "
        f"validation score {info['best']:.3f}",
        f"- features `{config.features.kind}`, a token each {1000 / config.token_rate:.0f} ms (repeats dropped)",
        "- inputs: `waveform` float32 [batch, samples], `samples` int64 [batch]",
        "- outputs: `tokens` int64 [batch, steps], `frames` int64 [batch], how many count, repeats too",
    ]
    if report is not None:
        lines += ["", read_text(report / "report.md")]
    return "\n".join(lines) + "\n"
