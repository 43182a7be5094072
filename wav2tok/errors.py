"""The one exception that a user is meant to read."""

from wav2tok.secrets import without_secrets


def reason(error: Exception) -> str:
    """Another library's error as one line, for use in parentheses inside our own message."""
    return without_secrets(" ".join(str(error).split()))[:200].rstrip(".")


class UserError(Exception):
    """Bad input, described in one sentence that names the file, the value and the way out.

    The command line prints it on stderr and exits with code 2. Nothing else is caught there, so that a fault of ours
    still shows its traceback. Secrets in it are hidden (`wav2tok.secrets`).

    Attributes:
        parameter: the argument or parameter that is wrong, by its name in Python, such as ``test_groups``. The message
            does not name it; the command line puts the option of that name before the message.
    """

    def __init__(self, message: str, parameter: str | None = None) -> None:
        super().__init__(without_secrets(message))
        self.parameter = parameter
