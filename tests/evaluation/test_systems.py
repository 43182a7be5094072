"""Systems share representations by name."""

import numpy as np
import pytest

from wav2tok.evaluation.systems import FORMS, Representation, System, representations, tokenizer_systems
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


def test_the_forms_of_the_tokenizer_share_its_strings_and_rank_a_string_before_others():
    codebook = np.random.default_rng(0).standard_normal((8, 5))
    strings = [np.array([0, 1, 2, 3]), np.array([4, 5, 6]), np.array([7, 6, 2, 1])]
    systems = tokenizer_systems(lambda waveforms: strings, codebook)
    assert tuple(system.name for system in systems) == FORMS
    assert list(representations(systems)) == ["wav2tok"]
    for system in systems:
        assert system.distances(strings[:1], strings)[0].argmin() == 0
        assert system.distances([np.array([], dtype=np.int64)], strings).tolist() == [[np.inf] * 3]


def test_local_alignment_tries_several_keys_where_tokens_are_stretches_of_melody():
    scale = np.zeros((12, 30))
    scale[np.arange(12), np.arange(9, 21)] = 1
    query, higher = np.array([3, 5, 7, 3]), np.array([5, 7, 9, 5])
    plain, in_keys = (
        next(one for one in tokenizer_systems(lambda waveforms: [], scale, keys) if one.name == "wav2tok_local")
        for keys in (False, True)
    )
    assert (plain.label, in_keys.label) == ("wav2tok, local alignment", "wav2tok, local alignment in 5 keys")
    assert in_keys.distances([query], [higher])[0, 0] == 0 < plain.distances([query], [higher])[0, 0]
