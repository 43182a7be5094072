"""Optional packages: checked by name before work starts, so it does not fail in the middle."""

import importlib.util

from wav2tok.errors import UserError


def need(extra: str, *modules: str) -> None:
    """Check that the packages of an extra are installed.

    Raises:
        UserError: one of ``modules`` is not installed.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"{missing[0]} is not installed; install what this needs with: pip install 'wav2tok[{extra}]'")
