"""What is encoded together, and that it makes no difference to the tokens."""

import asyncio
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.audio import decode
from wav2tok.service.batching import Batcher, Job
from wav2tok.service.decoding import Recording


@pytest.fixture(scope="module")
def waves(tiny_corpus):
    return [decode.read(path, 8000) for path in sorted(tiny_corpus.rglob("*.flac"))]


@pytest.fixture(scope="module")
def alone(waves, tokenizer):
    """The frames of each recording, encoded by itself."""
    return [tokenizer.encode_frames([wave], 8000)[0] for wave in waves]


@given(st.lists(st.integers(0, 27), min_size=1, max_size=40))
@settings(max_examples=40)
def test_the_tokens_do_not_depend_on_the_batch(waves, alone, tokenizer, numbers):
    together = tokenizer.encode_frames([waves[number] for number in numbers], 8000)
    for number, frames in zip(numbers, together, strict=True):
        assert np.array_equal(frames, alone[number])


def batched(waves, tokenizer, *, seconds=64.0, wait=0.0, announce=0):
    """The strings of waveforms that are put at once, the sizes of their batches, and how long it took."""
    sizes = []

    async def run():
        batcher = Batcher(seconds, wait, lambda count, _: sizes.append(count))
        jobs = []
        for number, wave in enumerate(waves):
            batcher.expect()
            result = asyncio.get_running_loop().create_future()
            jobs.append(Job(str(number), tokenizer, Recording(len(wave) / 8000, wave), result))
            batcher.put(jobs[-1])
        for _ in range(announce):
            batcher.expect()
        start = time.monotonic()
        batcher.start()
        strings = await asyncio.gather(*(job.result for job in jobs))
        took = time.monotonic() - start
        batcher.stop()
        return strings, took

    strings, took = asyncio.run(run())
    return strings, sizes, took


def test_what_waits_is_encoded_together_up_to_the_limit(waves, tokenizer):
    strings, sizes, _ = batched(waves, tokenizer)
    assert sizes == [28]
    assert [string.path for string in strings] == [str(number) for number in range(28)]
    for string, expected in zip(strings, tokenizer.encode(waves, 8000), strict=True):
        assert np.array_equal(string.tokens, expected)
    _, sizes, _ = batched(waves, tokenizer, seconds=2.0)
    assert sum(sizes) == 28
    assert max(sizes) <= 5  # each lasts .4 to .6 s


def test_nobody_waits_for_nothing(waves, tokenizer):
    _, _, took = batched(waves[:1], tokenizer, wait=30)
    assert took < 10
    _, sizes, took = batched(waves[:1], tokenizer, wait=0.3, announce=1)
    assert sizes == [1]
    assert took > 0.29


def test_jobs_of_two_models_are_not_mixed(waves, tokenizer, tiny_model):
    from wav2tok.tokenizer.tokenizer import Tokenizer

    other, sizes = Tokenizer(tiny_model, "cpu", threads=1), []

    async def run():
        batcher = Batcher(64, 0, lambda count, _: sizes.append(count))
        results = []
        for model in (tokenizer, tokenizer, other):
            batcher.expect()
            results.append(asyncio.get_running_loop().create_future())
            batcher.put(Job("x", model, Recording(0.5, waves[0]), results[-1]))
        batcher.start()
        await asyncio.gather(*results)
        batcher.stop()

    asyncio.run(run())
    assert sizes == [2, 1]


def test_an_error_reaches_those_who_wait_and_ends_nothing(waves, tokenizer):
    async def run():
        batcher = Batcher(64, 0, lambda *_: None)
        batcher.start()
        for samples, failing in ((np.full(4000, np.nan, np.float32), True), (waves[0], False)):
            batcher.expect()
            result = asyncio.get_running_loop().create_future()
            batcher.put(Job("x", tokenizer, Recording(0.5, samples), result))
            if failing:
                with pytest.raises(Exception, match="finite"):
                    await result
            else:
                assert len((await result).tokens) > 1
        batcher.stop()

    asyncio.run(run())
