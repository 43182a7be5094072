"""Measure everything on this machine and write the table and the curves.

    python -m benchmarks --out benchmarks --hours 100

(``make bench``) takes a quarter of an hour on two cores and up to 15 GB of disk; ``--hours 10`` takes half of both.
"""

import argparse
import datetime
import logging
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import report, scaling
from benchmarks.compare import plain_rates, pretrained_rates, with_others
from wav2tok.config import parameters
from wav2tok.device import choose
from wav2tok.machine import describe
from wav2tok.progress import log
from wav2tok.speed.parts import Bench
from wav2tok.speed.table import text_table

GIB_AN_HOUR = 0.06
UNMEASURED = (
    "On a GPU: training at batch 512 with augmentation and E-step (goal >= 100,000 audio s/s) and tokenizing from "
    "memory (goal >= 500,000). The code for it exists and is tested on the CPU; no GPU was available. Spectra are sent "
    "from pinned memory during the previous step; augmentation, alignments and E-steps run on the device. Alignments, "
    "the recurrence and the likelihood have a Triton kernel each, which the tests interpret and compile for three "
    "architectures. No step waits for the device: the tests run whole steps on tensors without values. Products are "
    "rounded to TF32, or with train.precision to bfloat16; train.cuda_graphs replays the encoder as CUDA graphs.",
)


def main() -> None:
    """Run the benchmark."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what wav2tok costs here.")
    arguments.add_argument("--out", type=Path, default=Path("benchmarks"), help="the folder of the results")
    arguments.add_argument("--hours", type=float, default=100.0, help="hours in the largest corpus, at least 10")
    arguments.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    options = arguments.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    log.setLevel(logging.INFO)
    hours = [0.25, 1.0, 10.0] + ([options.hours] if options.hours > 10 else [])
    device = choose(options.device)
    with tempfile.TemporaryDirectory(prefix="wav2tok-bench-") as folder:
        free = shutil.disk_usage(folder).free / 2**30
        if free < GIB_AN_HOUR * hours[-1] * 1.3 + 2:
            raise SystemExit(f"{free:.0f} GiB are free for temporary files; --hours {options.hours:g} needs more.")
        bench = Bench(parameters.load(overrides=["profile=general"]), device, Path(folder), 1.0, 600)
        rows = bench.rows()
        log.info("measuring the plain implementation")
        plain = plain_rates(bench)
        log.info("measuring HuBERT base and wav2vec 2.0 base")
        hubert, wav2vec = (pretrained_rates(bench, name) for name in ("hubert_base", "wav2vec2_base"))
        rows = with_others(rows, plain, hubert)
        long_row, length_curve = scaling.lengths(bench)
        batch_curve, codebook_curve = scaling.batches(bench), scaling.codebooks(bench)
        more, curves = scaling.corpora(bench, hours, 10.0)
        file_rows, file_curve = scaling.long_files(bench, scaling.FILE_MINUTES)
    machine = describe(device) | {
        "float32 GFLOP a second": round(bench.floor.flops / 1e9),
        "copy GB a second": round(bench.floor.bandwidth / 1e9, 1),
    }
    unmeasured = list(UNMEASURED) if device.type == "cpu" else []
    unmeasured.append(
        "HuBERT base and wav2vec 2.0 base ran with random weights, which cost the same as trained ones. wav2vec 2.0 "
        f"base tokenizes {wav2vec['tokenizing waveforms']:.1f} and trains {wav2vec['training step']:.1f} seconds of "
        "audio a second. Both stop at layer 6 of 12 when they tokenize, as HuBERT units do."
    )
    results = report.Results(
        datetime.date.today().isoformat(),
        machine,
        [*rows, long_row, *more, *file_rows],
        [length_curve, batch_curve, codebook_curve, *curves, file_curve],
        unmeasured,
    )
    report.write(results, options.out)
    log.info(text_table(results.rows))
    log.info(f"{options.out / report.PAGE}, {options.out / report.PICTURE}; {platform.python_implementation()}")


if __name__ == "__main__":
    main()
