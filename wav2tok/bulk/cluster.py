"""The connection to a Ray cluster, or one of this machine alone for as long as the block runs."""

import contextlib
import logging
import os
import socket
from collections.abc import Iterator

from wav2tok.errors import UserError, reason

LOCAL = "local"
ANSWER_SECONDS = 10.0


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
    host, _, port = address.rpartition(":")
    if port.isdecimal():
        _require_answer(host, int(port))
    elif address not in (LOCAL, "auto"):
        raise UserError(f"{address!r} is not the address of a Ray cluster; use {LOCAL}, auto, or HOST:PORT.", "ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads it when it is imported
    import ray

    try:
        # Only a cluster of our own can do without Ray's web server.
        ray.init(
            address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=None if address != LOCAL else False,
        )
    except Exception as error:  # Ray raises Exception itself if its processes do not start in time
        if address == LOCAL:
            raise UserError(f"Ray does not start on this machine ({reason(error)}); try again.", "ray") from None
        raise _absent(address, reason(error)) from None
    try:
        yield
    finally:
        ray.shutdown()


def _require_answer(host: str, port: int) -> None:
    """Refuse an address that nobody answers; Ray itself would try it for many minutes."""
    try:
        with socket.create_connection((host.strip("[]"), port), ANSWER_SECONDS):
            pass
    except OSError as error:
        raise _absent(f"{host}:{port}", reason(error)) from None


def _absent(address: str, why: str) -> UserError:
    return UserError(
        f"no Ray cluster answers at {address} ({why}); start one with ray start --head, or use {LOCAL}.", "ray"
    )
