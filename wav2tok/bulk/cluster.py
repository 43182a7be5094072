"""The connection to a Ray cluster, or one of this machine alone for as long as the block runs."""

import contextlib
import os
from collections.abc import Iterator

from wav2tok.errors import UserError, reason

LOCAL = "local"


@contextlib.contextmanager
def connected(address: str) -> Iterator[None]:
    """Work with a cluster within the block.

    Args:
        address: ``local`` starts Ray on this machine and stops it at the end; ``auto``, or the HOST:PORT of a cluster
            that this machine belongs to.

    Raises:
        UserError: no cluster answers there.
    """
    if "://" in address:
        raise UserError(
            f"{address} is an address of Ray Client, through which no data streams; run this on a machine of the "
            "cluster, with auto or HOST:PORT.",
            "ray",
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads it when it is imported
    import ray

    try:
        ray.init(address, log_to_driver=False, logging_level="error", include_dashboard=_dashboard(address))
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(
            f"no Ray cluster answers at {address} ({reason(error)}); start one with ray start --head, or use {LOCAL}.",
            "ray",
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _dashboard(address: str) -> bool | None:
    """No web server for a cluster of our own; a cluster that runs already keeps what it has."""
    return False if address == LOCAL else None
