"""The page in a browser: upload, microphone, players, keyboard, a phone's width; nothing leaves the machine."""

import shutil
import time

import pytest
import soundfile
import soxr

import wav2tok
from tests import browser
from tests.service.servers import service

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(browser.program() is None, reason="Chromium is not installed (apt-get install chromium)"),
]
SETTLED = (
    "document.querySelector('#list li') && !document.querySelector('#list.stale') && "
    "!document.querySelector('#ribbons').hidden && document.querySelector('#plane-wait').hidden"
)
ASKED = "document.getElementById('sound-name').textContent"
FIRST = "document.querySelector('#list .name').innerText.split('\\n')"


@pytest.fixture(scope="module")
def microphone(sample, tmp_path_factory):
    """What the fake microphone hears: a take of the sample, as WAV at 48 kHz; and the name of its melody."""
    path = sorted(sample.glob("*/singer02_01.flac"))[1]
    heard = tmp_path_factory.mktemp("microphone") / "heard.wav"
    waveform, rate = soundfile.read(path)
    soundfile.write(heard, soxr.resample(waveform, rate, 48000), 48000, subtype="PCM_16")
    return heard, path.parent.name


@pytest.fixture(scope="module")
def page(microphone):
    with browser.page(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone[0]}",
    ) as shown:
        yield shown


@pytest.fixture
def shown(page, address):
    """The page with an example and its matches; it must end without errors, and ask nobody else."""
    page.open(address, 1280)
    page.until(SETTLED)
    yield page
    assert page.problems() == []
    assert {url for url in page.asked() if not url.startswith((f"{address}/", "blob:", "data:"))} == set()


def test_it_begins_with_an_example_and_others_of_its_melody(shown):
    melody = shown.value(ASKED).split(" / ")[0]
    assert shown.value(FIRST)[0] == melody
    assert shown.value("document.querySelectorAll('#list li').length") == 8  # all but itself
    assert "broken.wav" in shown.value("document.getElementById('about').textContent")


def test_an_uploaded_file_has_the_tokens_of_the_command_line(shown, sample, tmp_path):
    path = sorted(sample.glob("*/*.flac"))[7]
    upload = tmp_path / "my tune.flac"
    shutil.copy(path, upload)
    shown.choose("#file", upload)
    shown.until(f"{ASKED} === 'my tune.flac'")
    shown.until(SETTLED)
    shown.until(f"{FIRST}[1] === 'singer02_01'")
    assert shown.value("document.querySelector('#list .score b').innerText") == "100 % alike"
    tokens = shown.value("[...document.querySelectorAll('#sound-ribbon .t')].map((one) => Number(one.dataset.token))")
    assert tokens == wav2tok.Tokenizer.from_pretrained("wav2tok:humming", "cpu").encode_file(path).tolist()
    assert "100 % alike" in shown.value("document.getElementById('verdict').textContent")


def test_what_is_no_audio_gets_a_sentence_and_the_matches_stay(shown, tmp_path):
    (tmp_path / "notes.txt").write_text("not audio")
    shown.choose("#file", tmp_path / "notes.txt")
    shown.until("!document.getElementById('error').hidden")
    assert "cannot play that file" in shown.value("document.getElementById('error').textContent")
    assert shown.value("document.getElementById('error').getAttribute('role')") == "alert"
    assert shown.value("document.querySelectorAll('#list li').length") == 8


def test_the_microphone_finds_the_melody_that_it_hears(shown, microphone):
    shown.value("document.getElementById('record').click()")
    shown.until("document.getElementById('record').getAttribute('aria-pressed') === 'true'")
    time.sleep(6)  # the sound runs in real time
    shown.value("document.getElementById('record').click()")
    shown.until(f"{ASKED} === 'Your recording'")
    shown.until(f"{SETTLED} && document.querySelectorAll('#list li').length === 9")
    assert shown.value(FIRST)[0] == microphone[1]
    assert shown.value("document.getElementById('record').textContent") == "Record"


def test_a_part_of_the_sound_can_be_used_by_mouse_and_by_keyboard(shown):
    whole = shown.value("document.querySelectorAll('#sound-ribbon .t').length")
    left, top, width, height = shown.value(
        "(({left, top, width, height}) => [left, top, width, height])"
        "(document.getElementById('wave').getBoundingClientRect())"
    )
    shown.mouse("mousePressed", left + width / 2, top + height / 2)
    shown.mouse("mouseMoved", left + width * 0.7, top + height / 2)
    shown.mouse("mouseReleased", left + width * 0.9, top + height / 2)
    shown.until(f"{SETTLED} && document.querySelectorAll('#sound-ribbon .t').length < {0.7 * whole}")
    assert shown.value("parseFloat(document.querySelector('#sound-ribbon .t').style.left)") == pytest.approx(50, abs=2)
    shown.value("document.getElementById('whole').focus()")
    shown.press("Enter")
    shown.until(f"{SETTLED} && document.querySelectorAll('#sound-ribbon .t').length === {whole}")


def test_passages_are_looked_for_and_played_from_their_place(shown):
    # The last third of the sound occurs late in the others.
    shown.value("document.getElementById('from').value = document.getElementById('to').value * 2 / 3")
    shown.value("document.getElementById('from').dispatchEvent(new Event('change'))")
    shown.value("document.querySelector('[value=passages]').click()")
    late = "[...document.querySelectorAll('#list .play')].find((one) => / from [2-9]/.test(one.ariaLabel))"
    shown.until(f"{SETTLED} && {late} !== undefined")
    start = float(shown.value(f"{late}.ariaLabel.match(/from ([0-9.]+)/)[1]"))
    row = shown.value(f"{late}.closest('li').querySelector('.score').innerText")
    assert f"from 0:0{start}" in row
    shown.value(f"{late}.focus()")
    shown.press(" ")
    shown.until(f"{late}.getAttribute('aria-pressed') === 'true'")
    shown.until(f"Number(document.getElementById('player-place').value) > {start + 0.1}")
    assert float(shown.value("document.getElementById('player-place').value")) < start + 3
    assert any("/page/audio/" in url for url in shown.asked())
    shown.press(" ")
    shown.until(f"{late}.getAttribute('aria-pressed') === 'false'")


def test_everything_is_reached_by_keyboard(shown):
    shown.value("document.getElementById('record').focus()")
    reached = []
    for _ in range(90):
        shown.press("Tab")
        reached.append(shown.value("document.activeElement.id || document.activeElement.tagName"))
    assert {"choose", "sound-play", "from", "to", "a", "b", "SUMMARY"} <= set(reached)
    shown.value("document.querySelector('#sound-ribbon .t').focus()")
    shown.press("ArrowRight")
    shown.press("ArrowRight")
    place = "[...document.querySelectorAll('#sound-ribbon .t')].indexOf(document.activeElement)"
    assert shown.value(place) == 2
    assert shown.value("document.getElementById('tip').textContent") == shown.value("document.activeElement.ariaLabel")
    shown.press("Home")
    assert shown.value(place) == 0


def test_the_map_and_its_list_play_the_same(shown):
    shown.value("document.querySelector('#folders details summary').click()")
    shown.until("document.querySelectorAll('#folders button').length === 3")
    shown.value("document.querySelector('#folders button').focus()")
    shown.press("Enter")
    shown.until("document.querySelector('#folders button').getAttribute('aria-current') === 'true'")
    name = shown.value("document.getElementById('player-name').textContent")
    shown.value("document.getElementById('player-search').click()")
    shown.until(f"{ASKED} === {name!r} && {SETTLED}")


def test_two_recordings_are_compared(shown):
    value = shown.value("document.querySelector('#a').value")
    shown.value(f"document.querySelector('#b').value = {value!r}")
    shown.value("document.querySelector('#b').dispatchEvent(new Event('change'))")
    shown.until("document.getElementById('verdict').textContent.startsWith('100 % alike')")
    assert shown.value("document.querySelectorAll('#pair-strip .other').length") == 0


@pytest.mark.parametrize("width", [390, 320])
@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_it_without_scrolling_sideways(page, address, width, dark):
    page.open(address, width, dark=dark)
    page.until(SETTLED)
    assert page.value("document.documentElement.scrollWidth") <= width
    small = page.value(
        "[...document.querySelectorAll('button:not(.t):not(.link), select')]"
        ".filter((one) => one.offsetParent && one.offsetHeight < 32).map((one) => one.outerHTML)"
    )
    assert small == []  # large enough for a finger
    assert page.problems() == []


def test_controls_have_names(shown):
    nameless = shown.value(
        "[...document.querySelectorAll('button, select, input, canvas:not([aria-hidden])')]"
        ".filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.length)).map((one) => one.outerHTML)"
    )
    assert nameless == []


@pytest.mark.slow
def test_a_server_that_has_ended_is_named(page, sample, tmp_path):
    with service(tmp_path, sample, verb="demo") as running:
        page.open(running.url, 1280)
        page.until(SETTLED)
        running.stop()
    page.value("document.querySelector('[value=passages]').click()")
    page.until("!document.getElementById('error').hidden")
    assert "still running" in page.value("document.getElementById('error').textContent")
