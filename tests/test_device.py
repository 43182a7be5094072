"""Choosing a device never falls back in silence."""

from collections.abc import Iterator

import pytest
import torch

from wav2tok.device import allow_tf32, choose, describe
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


@pytest.mark.parametrize("word", ["gpu", "", "cuda:0"])
def test_other_words_are_refused_by_name(word: str) -> None:
    with pytest.raises(UserError, match=f"{word!r}"):
        choose(word)


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
