"""Where the stages of a flow run: in the flow's own process, or on a Ray cluster (``schedule.ray``)."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from prefect import Task
from prefect.states import State

from flows import api
from wav2tok.errors import UserError
from wav2tok.extras import need

Run = Callable[[Task[..., State[Any]], dict[str, Any]], State[Any]]
"""Runs a task with its arguments by name to the end, with its retries; returns its final state."""


@contextlib.contextmanager
def running(address: str) -> Iterator[Run]:
    """What runs tasks, one after the other, within the block.

    Args:
        address: of a Ray cluster: ``local`` for one of this machine that ends with the block, ``auto``, or HOST:PORT.
            Its machines need this environment, and the project at the same path. Empty: no cluster.

    Raises:
        UserError: Ray is not installed or does not answer, or there is no Prefect server, at which the machines of the
            cluster report.
    """
    if not address:
        yield lambda task, arguments: task(**arguments, return_state=True)
        return
    need("cluster")
    if api.address() is None:
        raise UserError("schedule.ray needs a Prefect server that all machines reach; set PREFECT_API_URL.")
    from wav2tok.bulk.cluster import connected

    with connected(address):
        yield from _on_ray()


def _on_ray() -> Iterator[Run]:
    """`running` on the cluster that this process is connected to."""
    import ray
    from prefect_ray import RayTaskRunner
    from prefect_ray.context import remote_options

    with RayTaskRunner() as runner:
        # Ray hides its devices from a task that asks for none.
        gpus = min(1, int(ray.cluster_resources().get("GPU", 0)))

        def run(task: Task[..., State[Any]], arguments: dict[str, Any]) -> State[Any]:
            with remote_options(num_gpus=gpus, max_retries=0):  # Prefect retries
                future = runner.submit(task, arguments)
            future.wait()
            return future.state

        yield run
