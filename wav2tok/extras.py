"""The optional packages: asked for by name before work starts, rather than missed in the middle of it."""

import importlib.util

from wav2tok.errors import UserError


def need(extra: str, *modules: str) -> None:
    """Refuse to go on without the packages of an extra.

    Raises:
        UserError: one of ``modules`` is not installed.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"{missing[0]} is not installed; install what this needs with: pip install 'wav2tok[{extra}]'")
