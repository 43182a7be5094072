"""The log of a service: one JSON object a line, and the ids by which a request is found in it."""

import json
import random
import re
import time
from typing import Any

from wav2tok.progress import log

_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)


def request_id(given: str | None) -> str:
    """The id of a request: what the client calls it, if that is fit for a log line, or else a random one."""
    # Not uuid4: it asks the system, and a thread that does so gives others the turn, up to 5 ms each.
    return given if given is not None and _ID.fullmatch(given) else f"{random.getrandbits(128):032x}"


def event(what: str, **values: Any) -> None:
    """Log what happened, with the time in UTC."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    log.info(json.dumps({"time": stamp, "event": what} | values, ensure_ascii=False))
