"""Systems share representations by name."""

import numpy as np
import pytest

from wav2tok.evaluation.systems import Representation, System, representations
from wav2tok.matching.distances import edit_distances


def system(name, represent):
    return System(name, name, represent, edit_distances)


def doubled(waveforms):
    return [2 * waveform for waveform in waveforms]


def test_a_shared_representation_occurs_once():
    shared, own = Representation("shared", doubled), Representation("own", doubled)
    found = representations([system("a", shared), system("b", own), system("c", shared)])
    assert list(found) == ["shared", "own"]
    assert found["own"]([np.ones(2)])[0].tolist() == [2.0, 2.0]


def test_two_representations_of_one_name_are_refused():
    one, other = Representation("tokens", doubled), Representation("tokens", lambda waveforms: waveforms)
    with pytest.raises(ValueError, match="two representations are named 'tokens'"):
        representations([system("a", one), system("b", other)])
