"""Bulk tokenizing on Ray Data: blocks of files go to actors, their rows come back to one writer.

A block whose actor dies goes to another one. The rows of a block come back once, and only this process writes them, so
a killed worker neither loses nor doubles a file; after a killed job the next one goes on with the files without a row.
"""

import logging
import os
import warnings
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow

from wav2tok.bulk.cluster import connected
from wav2tok.bulk.parts import Writer, finished, forget_failures, require_made_by
from wav2tok.bulk.rows import name, results
from wav2tok.bulk.worker import Encode
from wav2tok.errors import UserError
from wav2tok.files import locked
from wav2tok.progress import log
from wav2tok.tokenizer.batch import Failure
from wav2tok.tokenizer.tokenizer import Tokenizer

if TYPE_CHECKING:
    from ray.data import Dataset

FILES = 256
"""The most files of a block."""
BLOCKS_EACH = 8
"""How many blocks each actor has at least, so that all finish at about the same time."""
DEATHS = 5
"""How often a block is tried again after its actor has died: one of its files may be what kills it."""


def tokenize(
    files: Sequence[str], tokenizer: Tokenizer, out: Path, address: str, device: str = "cpu", threads: int = 1
) -> Generator[Failure | None, None, None]:
    """Tokenize files into Parquet parts, one row for each (`wav2tok.bulk.rows`).

    Files with a row are skipped, unless it says that they could not be read.

    Args:
        files: each once; the machines of the cluster must find them at these paths.
        tokenizer: on the CPU; each actor gets a copy.
        out: a folder of this machine, new or of an earlier call with this tokenizer.
        address: of the cluster (`connected`).
        device: cpu; cuda, with a device for each actor; auto, cuda if the cluster has such devices.
        threads: CPU threads of an actor; it claims a CPU for each.

    Yields:
        for each new row None, or the failure that it states; rows are written as they come.

    Raises:
        UserError: the parts in ``out`` are of something else, or the cluster does not answer, has no such device, or
            has failed.
    """
    with locked(out):
        require_made_by(out, tokenizer.identity)
        done = finished(out)
        ahead = [path for path in files if name(path) not in done]
        if len(ahead) < len(files):
            log.info(f"{len(files) - len(ahead)} recordings have their row already")
        if not ahead:
            return
        forget_failures(out, {*map(name, ahead)})
        with connected(address), Writer(out) as writer:
            for rows in _rows(_dataset(ahead, tokenizer, device, threads)):
                writer.add(rows)
                for result in results(rows):
                    yield result if isinstance(result, Failure) else None


def _dataset(files: Sequence[str], tokenizer: Tokenizer, device: str, threads: int) -> "Dataset":
    """The rows of ``files``, to be computed when they are asked for."""
    import ray.data
    from ray.util.annotations import RayDeprecationWarning

    machines = ray.cluster_resources()
    gpus = int(machines.get("GPU", 0))
    device = ("cuda" if gpus else "cpu") if device == "auto" else device
    if device not in ("cpu", "cuda"):
        raise UserError(
            f"device is {device!r}, but Ray chooses the devices of a cluster; use auto, cpu or cuda.", "device"
        )
    if device == "cuda" and not gpus:
        raise UserError("device is 'cuda', but no machine of the cluster has one; use cpu.", "device")
    cpus = int(machines.get("CPU", 0))
    if cpus < threads:
        raise UserError(f"{threads} threads are more than the {cpus} CPUs of the cluster; use fewer.", "threads")
    actors = max(1, min(cpus // threads, gpus) if device == "cuda" else cpus // threads)
    log.info(f"device: {device}, at most {actors} workers, CPU threads each: {threads}")
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # the import has set it to INFO
    size = min(FILES, -(-len(files) // (BLOCKS_EACH * actors)))
    paths = [os.fsencode(os.path.abspath(path)) for path in files]
    blocks = [pyarrow.table({"path": paths[i : i + size]}) for i in range(0, len(paths), size)]
    with warnings.catch_warnings():
        # max_task_retries has no other place than **ray_remote_args, of which Ray says that it ends with Ray 2.64.
        warnings.simplefilter("ignore", RayDeprecationWarning)
        return ray.data.from_arrow(blocks).map_batches(
            Encode,
            fn_constructor_args=(tokenizer, device),
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors, initial_size=min(actors, len(blocks))),
            num_cpus=threads,
            num_gpus=1 if device == "cuda" else None,
            max_task_retries=DEATHS,
        )


def _rows(dataset: "Dataset") -> Iterator[pyarrow.Table]:
    """The rows, block by block in the order in which they are ready."""
    from ray.exceptions import RayError, RayTaskError

    try:
        yield from dataset.iter_batches(batch_size=None, batch_format="pyarrow")
    except RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise
    except RayError as error:
        raise UserError(
            f"the cluster has failed ({str(error).splitlines()[0]}); finished rows are kept, and the same command goes "
            "on with the others.",
            "ray",
        ) from None
