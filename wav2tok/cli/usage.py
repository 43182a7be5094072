"""Errors of the command line itself, each as one sentence: an unknown verb or option, a missing argument, a wrong type.

Typer would draw boxes of several lines.
"""

import os
from collections.abc import Sequence
from typing import Any

import typer

from wav2tok.errors import UserError
from wav2tok.untrusted import shown

UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""Typer has a copy of its own of click's, and makes only this child of it public."""


def sentence(error: Any, command: Any, arguments: Sequence[str]) -> str:
    """What is wrong with a command line, and which help says what is right.

    Args:
        error: a `UsageError`.
        command: the whole program, as ``typer.main.get_command`` gives it.
        arguments: the words after the program's name.
    """
    file = next((word for word in arguments if word.startswith("-") and os.path.lexists(word)), None)
    way = f"; if the file {shown(file)} is meant, write ./{shown(file)}" if file else ""
    return f"{_problem(error)}{way}; see: {' '.join(['wav2tok', *_verb(command, arguments)[0]])} --help"


def option(name: str, command: Any, arguments: Sequence[str]) -> str:
    """What a verb's parameter is called on the command line: ``--test-groups``, or ``FOLDER`` for an argument.

    Args:
        name: in Python, as in `UserError.parameter`; the library has some that no verb has.
        command, arguments: as for `sentence`.
    """
    for param in _verb(command, arguments)[1].params:
        if param.name == name:
            return str(param.opts[-1] if param.param_type_name == "option" else name.upper())
    return f"--{_OF_THE_LIBRARY.get(name, name.replace('_', '-'))}"


_OF_THE_LIBRARY = {"overrides": "set"}
"""Options by the names of the library's parameters that they become."""


def _verb(command: Any, arguments: Sequence[str]) -> tuple[list[str], Any]:
    """The verb that ``arguments`` name, ``["index", "add"]``, and what Typer made of it."""
    words = []
    for word in arguments:
        inner = getattr(command, "commands", {}).get(word)
        if inner is None:
            break
        words.append(word)
        command = inner
    return words, getattr(command, "commands", {}).get(getattr(command, "default", None), command)


def require_words(arguments: Sequence[str]) -> None:
    """Refuse a path or a name that is empty, as an unset variable of a shell leaves it: it would name this folder.

    Raises:
        UserError: a word is empty, or the value in ``--option=value`` is.
    """
    for before, word in zip(["", *arguments], arguments, strict=False):
        option, _, value = word.partition("=")
        if word == "" or (word.startswith("--") and value == "" and "=" in word):
            name = option if word else before if before.startswith("-") else "an argument"
            raise UserError(f"{name} is empty, as an unset variable leaves it; give it a value, or leave it out.")


def _problem(error: Any) -> str:
    param = getattr(error, "param", None)
    text = error.format_message()
    if type(error) is typer.BadParameter and param is not None:
        # The type of a number with bounds is called "int range".
        reason = error.message.rstrip(".").removesuffix(" range")
        text = f"{param.opts[0] if param.param_type_name == 'option' else param.name.upper()}: {reason}"
    text = shown(" ".join(text.split()).rstrip("."))
    return text[:1].lower() + text[1:]
