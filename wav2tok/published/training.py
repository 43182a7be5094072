"""A training as a published command line describes it: its data, its device and its parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wav2tok.config import parameters
from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin
from wav2tok.progress import log
from wav2tok.published.options import COMMAND, check, translate


@dataclass(frozen=True)
class Training:
    """What to train on, where, and how."""

    data: Path
    device: str
    config: Config


def training(
    published_args: str,
    data: Path | None = None,
    device: str | None = None,
    params: Path | None = None,
    overrides: Sequence[str] = (),
) -> Training:
    """Translate the published command line ``published_args`` and log what becomes of each option.

    Args:
        data, device: override those of the line; None takes the line's, or else the default.
        params: the parameter file, which the line overrides.
        overrides: KEY=VALUE, which override the line.

    Raises:
        UserError: a line that cannot be translated or that contradicts the file ``data``; wrong parameters.
    """
    line = translate(published_args)
    data = data or line.data or Path(COMMAND["--data"])
    check(line, audios_bin.read(data), data)
    config = parameters.load(params, [*line.overrides, *overrides])
    for report in line.reports:
        log.info(report)
    for warning in line.warnings:
        log.warning(warning)
    log.info("options that the line omits have their published defaults; settings given separately override the line")
    return Training(data, device or line.device or COMMAND["--device"], config)
