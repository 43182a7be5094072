"""Examples in docstrings as code on the site: an extension of griffe, which reads the docstrings for mkdocstrings."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", flags=re.M)
"""From a prompt to the next empty line."""


class Doctests(griffe.Extension):
    """Puts fences around examples: without them ``>>>`` would be a quotation of a quotation of a quotation."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
