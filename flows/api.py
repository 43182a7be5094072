"""The Prefect server of the settings, asked before any work: Prefect itself would try it again and again."""

from urllib.parse import urlsplit

from wav2tok.errors import UserError
from wav2tok.secrets import without_secrets
from wav2tok.tracking import reachable


def problem(address: str) -> str | None:
    """What is wrong with the Prefect server at ``address``, in a few words to follow it; None if it answers."""
    return reachable.server(address, "Prefect", b"true")


def address() -> str | None:
    """The address of the Prefect API in the settings; None if there is none, so that Prefect starts a server by itself.

    Raises:
        UserError: it does not answer, or is another program.
    """
    from prefect.settings import PREFECT_API_URL

    known: str | None = PREFECT_API_URL.value()
    # Prefect Cloud answers only those who sign in.
    if known is None or (urlsplit(known).hostname or "").endswith(".prefect.cloud"):
        return known
    wrong = problem(known)
    if wrong is not None:
        raise UserError(
            f"the Prefect server {without_secrets(known)} (PREFECT_API_URL) {wrong}; start it with prefect server "
            "start, set PREFECT_API_URL to another, or unset it to work without one."
        )
    return known
