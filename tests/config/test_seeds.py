"""The streams of random numbers: their values are part of every result."""

import numpy as np

from wav2tok.config.seeds import Stream, rng, torch_seed


def test_streams_keep_their_numbers() -> None:
    numbers = {
        "E_STEP": 0,
        "PAIRS": 1,
        "DROPOUT": 2,
        "AUGMENTATION": 3,
        "VALIDATION_SAMPLE": 5,
        "SUBSET": 6,
        "WHITENING": 7,
        "DENOISING": 8,
    }
    assert {stream.name: stream.value for stream in Stream} == numbers


def test_a_seed_gives_the_same_numbers_as_numpys_generator_of_its_key() -> None:
    assert rng(7, Stream.PAIRS, 3).random() == np.random.default_rng([7, 3, 1]).random()
    assert rng(7, Stream.VALIDATION_SAMPLE).random() == np.random.default_rng([7, 5]).random()
    assert torch_seed(7, Stream.DROPOUT, 3) == np.random.SeedSequence((7, 3, 2)).generate_state(1)[0]
    # Stream 0 is the key without a stream.
    assert torch_seed(7, Stream.E_STEP, 40) == np.random.SeedSequence((7, 40)).generate_state(1)[0]


def test_streams_and_positions_differ() -> None:
    draws = [rng(0, stream, epoch).random() for stream in Stream for epoch in range(1, 4)]
    assert len(set(draws)) == len(draws)
