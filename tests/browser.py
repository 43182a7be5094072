"""A headless Chromium, driven through the pipe of its DevTools: to see a page as a reader sees it."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def program() -> str | None:
    """The path of the browser, or None."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Page:
    """One page of a browser."""

    def __init__(self, commands: int, answers: int) -> None:
        self.commands, self.answers, self.number, self.rest = commands, answers, 0, b""
        self.events: list[dict[str, Any]] = []
        self.session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command; events that come before it are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            part = os.read(self.answers, 1 << 20)
            assert part, "the browser ended"
            self.rest += part
        text, _, self.rest = self.rest.partition(b"\0")
        return json.loads(text)

    def open(
        self, where: Path | str, width: int, height: int = 800, *, scripts: bool = True, dark: bool = False
    ) -> None:
        """Show a file, or what is at an address, in a window of this size and wait until it has loaded."""
        self.events.clear()
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])  # fmt: skip
        mobile = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.call("Page.navigate", url=where if isinstance(where, str) else where.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())

    def value(self, script: str) -> Any:
        """What a JavaScript expression in the page is."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, script: str, seconds: float = 60) -> Any:
        """What a JavaScript expression is once it is true; fails if that takes too long."""
        end = time.monotonic() + seconds
        while not (found := self.value(script)):
            assert time.monotonic() < end, f"{script}: {self.value('document.body.innerText')[:1000]}"
            time.sleep(0.05)
        return found

    def choose(self, selector: str, path: Path) -> None:
        """Choose a file in the input of a form."""
        found = self.call("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})")
        self.call("DOM.setFileInputFiles", files=[str(path.resolve())], objectId=found["result"]["objectId"])

    def press(self, key: str) -> None:
        """Press and release a key, such as ``Tab``, ``Enter`` or ``ArrowRight``."""
        code = {"Tab": 9, "Enter": 13, " ": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}[key]
        about = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code}
        text = {"Enter": {"text": "\r"}, " ": {"text": " "}}.get(key, {})
        self.call("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def mouse(self, kind: str, x: float, y: float) -> None:
        """``mousePressed``, ``mouseMoved`` or ``mouseReleased`` at a point of the window."""
        held = {"mousePressed": 1, "mouseMoved": 1, "mouseReleased": 0}[kind]
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=held, clickCount=1)

    def asked(self) -> list[str]:
        """The addresses that the page has asked for since it was opened."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def problems(self) -> list[dict[str, Any]]:
        """The errors that the browser has logged since the page was opened, such as breaches of its policy."""
        return [
            event["params"]
            for event in self.events
            if event.get("method") == "Runtime.exceptionThrown"
            or (event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error")
        ]

    def picture(self, path: Path, height: int | None = None) -> None:
        """Write a PNG file of the whole page, or of its top."""
        size = self.value("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], height or size[1]), "scale": 1}
        data = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))


@contextlib.contextmanager
def page(*flags: str) -> Iterator[Page]:
    """A page of a new browser, which ends with the block; ``flags`` are for its command line."""
    found = program()
    assert found is not None
    command_end, commands = os.pipe()
    answers, answer_end = os.pipe()
    with tempfile.TemporaryDirectory(prefix="wav2tok-browser-", ignore_cleanup_errors=True) as profile:
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio", "--no-first-run",
                   "--autoplay-policy=no-user-gesture-required", f"--user-data-dir={profile}",
                   "--remote-debugging-pipe", *flags]  # fmt: skip
        shell = f'exec "$0" "$@" 3<&{command_end} 4>&{answer_end}'
        process = subprocess.Popen(["bash", "-c", shell, found, *options, "about:blank"],
                                   pass_fds=(command_end, answer_end), stderr=subprocess.DEVNULL)  # fmt: skip
        os.close(command_end)
        os.close(answer_end)
        try:
            yield Page(commands, answers)
        finally:
            os.close(commands)
            os.close(answers)
            process.terminate()
            process.wait(timeout=20)
