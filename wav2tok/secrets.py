"""Keep passwords, tokens and keys out of whatever is printed, logged or stored."""

import os
import re

_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@'\"]+@")
"""User and password in an address; neither is needed to know which server is meant."""
_IN_QUERY = re.compile(r"(?i)([?&;\s](?:sas|sig|token|password|passwd|pwd|secret|api_?key|access_?key)=)[^&;\s'\"]+")
_NAMES = re.compile(r"PASSW(OR)?D|TOKEN|SECRET|API_?KEYS?|ACCESS_?KEY|CREDENTIAL|CONNECTION_STRING|AUTH_STRING")
"""Environment variables whose values are secret, by their names: those of MLflow, Prefect, DVC and clouds."""
_SHORTEST = 6
"""Shorter values are not looked for: they would turn up by chance."""
HIDDEN = "***"


def without_secrets(text: str) -> str:
    """``text`` without users and passwords in addresses, and without the values of secret environment variables."""
    text = _IN_QUERY.sub(rf"\1{HIDDEN}", _IN_ADDRESS.sub("", text))
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and _NAMES.search(name) and value in text:
            text = text.replace(value, HIDDEN)
    return text
