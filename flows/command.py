"""What ``python -m flows.NAME`` does around its flow: check the Prefect server, run, and exit with the right code."""

import sys
from collections.abc import Callable
from typing import Any

from prefect.states import State

from flows import api
from wav2tok.errors import UserError


def finish(name: str, run: Callable[[], State[Any]]) -> State[Any]:
    """Run a flow, and return its final state if it has completed.

    Otherwise the process ends with a sentence on standard error: exit code 2 if a person must fix something, 130 after
    Ctrl-C, 1 for any other failure.

    Args:
        name: of the flow's module, for the sentence.
        run: runs the flow.
    """
    try:
        api.address()
        state = run()
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{name}: stopped; finished work is kept.", file=sys.stderr)
        sys.exit(130)
    if state.is_completed():
        return state
    print(f"{name}: {state.message}", file=sys.stderr)
    sys.exit(2 if isinstance(state.result(raise_on_failure=False), UserError) else 1)
