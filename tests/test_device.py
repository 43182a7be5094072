"""Choosing a device never falls back silently; settling threads touches only what is not set; memory is reused."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wav2tok import device
from wav2tok.device import allow_tf32, bucket, choose, describe, pick, settle_threads
from wav2tok.errors import UserError


def test_cpu_is_the_cpu_and_says_with_how_many_threads() -> None:
    assert choose("cpu") == torch.device("cpu")
    assert f"{torch.get_num_threads()} threads" in describe(choose("cpu"))


def test_auto_takes_cuda_where_there_is_one() -> None:
    assert choose("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_cuda_is_refused_where_there_is_none() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(UserError, match="no CUDA device"):
        choose("cuda")
    assert "no CUDA device" in describe(choose("auto"))


@pytest.mark.gpu
def test_cuda_names_its_device() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    assert torch.cuda.get_device_name() in describe(choose("cuda"))


@pytest.mark.parametrize("word", ["gpu", "", "cuda:", "cuda:-1", "cuda:x", "CUDA"])
def test_other_words_are_refused_by_name(word: str) -> None:
    with pytest.raises(UserError, match=f"device is {word!r}; use auto, cpu") as raised:
        choose(word)
    assert raised.value.parameter == "device"


@pytest.mark.parametrize(("word", "number"), [("cpu", None), ("auto", 0), ("cuda", 0), ("cuda:0", 0), ("cuda:1", 1)])
def test_a_word_picks_one_of_two_devices(word: str, number: int | None) -> None:
    assert pick(word, 2, "torch") == number


@pytest.mark.parametrize("word", ["cuda", "cuda:0", "cuda:1"])
def test_a_device_that_is_not_there_is_refused(word: str) -> None:
    assert pick("auto", 0, "torch") is None
    with pytest.raises(UserError, match=f"{word!r}, but torch sees no CUDA device"):
        pick(word, 0, "torch")
    with pytest.raises(UserError, match="the last CUDA device here is cuda:1"):
        pick("cuda:2", 2, "torch")


@pytest.fixture(params=[False, True])
def before(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether products are fast anyway."""
    products = torch.backends.cuda.matmul
    was, products.allow_tf32 = products.allow_tf32, request.param
    yield request.param
    products.allow_tf32 = was


def test_products_are_fast_for_a_while_and_as_before_after_it(before: bool) -> None:
    products = torch.backends.cuda.matmul
    with allow_tf32(torch.device("cuda")):
        assert products.allow_tf32
    assert products.allow_tf32 == before


def test_products_are_as_before_after_an_error(before: bool) -> None:
    def fail() -> None:
        with allow_tf32(torch.device("cuda")):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.backends.cuda.matmul.allow_tf32 == before


def test_products_on_the_cpu_are_what_they_are(before: bool) -> None:
    with allow_tf32(torch.device("cpu")):
        assert torch.backends.cuda.matmul.allow_tf32 == before
    assert torch.backends.cuda.matmul.allow_tf32 == before


SCRIPT = """
import resource, sys
import numpy as np
from wav2tok.device import keep_freed_memory, bucket

for _ in range(int(sys.argv[1])):
    keep_freed_memory()

def use():
    x = np.empty(1 << 23)  # 64 MiB
    x[:: 4096 // 8] = 1  # every page once

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

use()
before = faults()
for _ in range(5):
    use()
print(faults() - before)
"""


def faults(times: int) -> int:
    """Page faults of using 64 MiB five times, after ``times`` calls of `keep_freed_memory`."""
    # On some machines pages of 2 MiB would reduce the number of faults.
    environment = os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"}
    command = [sys.executable, "-c", SCRIPT, str(times)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is changed")
@pytest.mark.parametrize("times", [1, 2])
def test_freed_memory_is_reused(times: int) -> None:
    plain, kept = faults(0), faults(times)
    assert plain >= 5 * 32  # even if all pages are huge
    assert kept < plain / 20


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(name: object) -> object:
        raise AssertionError("no library is asked")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(device.ctypes, "CDLL", loaded)
    device.keep_freed_memory()


def test_a_c_library_without_the_call_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: object())
    device.keep_freed_memory()


@given(length=st.integers(1, 2**31))
def test_a_bucket_is_at_most_an_eighth_longer(length: int) -> None:
    assert length <= bucket(length) <= length + length / 8
    assert bucket(bucket(length)) == bucket(length)


def test_there_are_eight_buckets_in_an_octave() -> None:
    assert len({bucket(length) for length in range(1025, 2049)}) == 8


@pytest.mark.promise("OMP_NUM_THREADS is not a valid number of threads", "It is ignored, as OpenMP does.")
@pytest.mark.parametrize(
    ("given", "taken"),
    [("3", "3"), ("0", None), ("-1", None), ("4,2", None), ("abc", None), ("", None), ("\u0663", None),
     ("999999999999", None), ("9" * 5000, None)],
)  # fmt: skip
def test_numba_gets_a_number_of_threads_or_none(given: str, taken: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "")
    monkeypatch.delenv("NUMBA_NUM_THREADS")
    settle_threads()
    assert os.environ.get("NUMBA_NUM_THREADS") == taken
