"""Pictures of the page of ``wav2tok demo``: ``PYTHONPATH=. python docs/shoot.py`` writes them to ``docs/pages/assets``.

A headless Chromium uses the page on a part of the synthetic sample; its microphone hears a singer who is not in the
collection. Made are a picture of a desktop, one of a phone, and a short animation for the README.
"""

import base64
import io
import os
import tempfile
import time
from pathlib import Path

import soundfile
import soxr
from PIL import Image

from tests import browser
from tests.service.servers import service
from wav2tok.sample.corpus import make

ASSETS = Path(__file__).resolve().parent / "pages" / "assets"
MELODIES, SINGERS = 12, 8
MELODY, SINGER = "ode_to_joy", "singer09"
"""What the microphone hears."""
WIDTH, HEIGHT = 1180, 820
"""The window of the animation, CSS pixels."""
SHOWN = 800
"""Its width in the README, pixels."""
MOST_BYTES = 1_500_000
SETTLED = (
    "document.querySelector('#list li') && !document.querySelector('#list.stale') && "
    "!document.querySelector('#ribbons').hidden && document.querySelector('#plane-wait').hidden"
)
STILL = "--force-prefers-reduced-motion"  # scrolling is ours, in steps


class Film:
    """Frames with their durations."""

    def __init__(self, page: browser.Page) -> None:
        self.page = page
        self.frames: list[Image.Image] = []
        self.times: list[int] = []

    def take(self, milliseconds: int) -> None:
        """Add what the window shows now."""
        data = self.page.call("Page.captureScreenshot")["data"]
        frame = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
        self.frames.append(frame.resize((SHOWN, round(SHOWN * HEIGHT / WIDTH)), Image.Resampling.LANCZOS))
        self.times.append(milliseconds)

    def click(self, selector: str) -> None:
        """Move a mark to an element, show it, and click."""
        left, top = self.page.value(
            f"(({{left, top, width, height}}) => [left + width / 2, top + height / 2])"
            f"(document.querySelector({selector!r}).getBoundingClientRect())"
        )
        self.page.value(
            "document.body.append(Object.assign(document.createElement('i'), {id: 'mark'})); (() => {"
            "const mark = document.getElementById('mark').style; mark.position = 'fixed'; mark.zIndex = 20;"
            f"mark.left = '{left - 14}px'; mark.top = '{top - 14}px'; mark.width = mark.height = '28px';"
            "mark.borderRadius = '50%'; mark.background = '#e0821499'; mark.border = '2px solid #fff'; })()"
        )
        self.take(700)
        self.page.value("document.getElementById('mark').remove()")
        self.page.value(f"document.querySelector({selector!r}).click()")

    def scroll(self, selector: str) -> None:
        """Scroll smoothly until an element is at the top."""
        start = self.page.value("window.scrollY")
        end = start + self.page.value(f"document.querySelector({selector!r}).getBoundingClientRect().top") - 20
        for step in range(1, 7):
            share = step / 6
            self.page.value(f"window.scrollTo(0, {start + (end - start) * share * share * (3 - 2 * share)})")
            self.take(60)

    def save(self, path: Path) -> None:
        """Write an animated WebP of at most `MOST_BYTES`, of the best quality that allows."""
        for quality in (80, 70, 60, 50, 40):
            self.frames[0].save(
                path,
                save_all=True,
                append_images=self.frames[1:],
                duration=self.times,
                loop=0,
                quality=quality,
                method=6,
            )
            if path.stat().st_size <= MOST_BYTES:
                return
        raise SystemExit(f"{path} has {path.stat().st_size} bytes; take fewer frames.")


def act(film: Film) -> None:
    """Hum, see what is found, hear it, look at the map and at a comparison."""
    page = film.page
    film.take(1200)
    film.click("#record")
    page.until("document.getElementById('record').getAttribute('aria-pressed') === 'true'")
    started = time.monotonic()
    while time.monotonic() - started < 6.2:  # the microphone hears in real time
        film.take(250)
        time.sleep(0.9)
    film.click("#record")
    page.until("document.getElementById('sound-name').textContent === 'Your recording'")
    page.until(SETTLED)
    film.take(2200)
    film.scroll("#matches")
    film.take(1500)
    film.click("#list .play")
    page.until("Number(document.getElementById('player-place').value) > 0.1")
    for _ in range(6):
        film.take(220)
        time.sleep(0.15)
    page.value("document.getElementById('player-close').click()")
    film.scroll("#collection")
    film.take(2600)
    film.scroll("#compare")
    film.take(2600)


def still(page: browser.Page, path: Path, height: int) -> None:
    """A picture of the page's top, as WebP."""
    with tempfile.NamedTemporaryFile(suffix=".png") as picture:
        page.picture(Path(picture.name), height)
        Image.open(picture.name).convert("RGB").save(path, quality=85, method=6)


def main() -> None:
    """Make the sample, serve it, and take all pictures."""
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)  # so that the page names the folder data, and no path of this machine
        make(Path("data"), melodies=MELODIES, singers=SINGERS + 1)
        heard, rate = soundfile.read(f"data/{MELODY}/{SINGER}_01.flac")
        soundfile.write("heard.wav", soxr.resample(heard, rate, 48000), 48000, subtype="PCM_16")
        for path in Path("data").glob(f"*/{SINGER}_01.flac"):
            path.unlink()
        flags = (
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={work}/heard.wav",
            "--hide-scrollbars",
            STILL,
        )
        with service(Path(work), "data", verb="demo") as running, browser.page(*flags) as page:
            page.open(running.url, WIDTH, HEIGHT)
            page.until(SETTLED)
            film = Film(page)
            act(film)
            film.save(ASSETS / "demo.webp")
            page.open(running.url, 1280, 900)
            page.until(SETTLED)
            still(page, ASSETS / "demo-desktop.webp", 2800)
            page.open(running.url, 390, 844, dark=True)
            page.until(SETTLED)
            still(page, ASSETS / "demo-phone.webp", 1500)
    for path in sorted(ASSETS.glob("demo*.webp")):
        print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
