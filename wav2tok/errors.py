"""The one exception that a user is meant to read."""


def reason(error: Exception) -> str:
    """Another library's error in one line, to stand in brackets in a sentence of ours."""
    return " ".join(str(error).split())[:200].rstrip(".")


class UserError(Exception):
    """Bad input, said in one sentence that names the file, the value and the way out.

    The command line prints it on stderr and exits with code 2; nothing else is caught there, so that a fault of
    ours still shows its traceback.
    """
