"""The one exception that a user is meant to read."""


class UserError(Exception):
    """Bad input, said in one sentence that names the file, the value and the way out.

    The command line prints it on stderr and exits with code 2; nothing else is caught there, so that a fault of
    ours still shows its traceback.
    """
