"""Pretrained models are used if their weights are on disk, reported as absent if not, and never downloaded."""

import numpy as np
import pytest
import torch
import torchaudio

from wav2tok.errors import UserError
from wav2tok.evaluation.baselines import pretrained
from wav2tok.evaluation.baselines.all import baseline_systems

RATE = 8000  # not the models' own


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    """The empty folder where torch hub keeps weights; any download fails."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)

    def refuse(*args, **kwargs):
        raise AssertionError(f"a download was tried: {args}")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def recordings(count, seconds=1.0):
    """Noises through different resonances, float32 [N] each."""
    generator = np.random.default_rng(0)
    found = []
    for _ in range(count):
        gains = np.repeat(generator.random(20), int(seconds * RATE) // 40 + 1)[: int(seconds * RATE) // 2 + 1]
        spectrum = np.fft.rfft(generator.standard_normal(int(seconds * RATE))) * gains[: int(seconds * RATE) // 2 + 1]
        found.append((0.1 * np.fft.irfft(spectrum)).astype(np.float32))
    return found


def test_without_weights_every_model_is_absent(checkpoints):
    assert set(pretrained.available().values()) == {None}
    assert pretrained.absent() == ["hubert_base", "wav2vec2_base", "wav2vec2_xlsr53", "wav2vec2_xlsr_300m"]
    assert pretrained.pretrained_systems(recordings(1), 4, RATE, 0) == []
    names = [system.name for system in baseline_systems(recordings(2), 4, RATE, 0)]
    assert names == ["kmeans_logmel", "logmel_dtw", "mfcc_dtw", "f0_midi", "f0_midi_any_key", "f0_relative"]
    assert not list(checkpoints.iterdir())


@pytest.mark.parametrize("content", [b"", b"no weights", None], ids=["empty", "text", "another model's"])
def test_weights_that_cannot_be_used_are_named(checkpoints, content):
    path = checkpoints / "wav2vec2_fairseq_base_ls960.pth"
    if content is None:
        torch.save({"weight": torch.zeros(2)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"{path.name} does not hold the weights of wav2vec 2\.0 base \(.+\); remove"):
        pretrained.pretrained_systems(recordings(1), 4, RATE, 0)


def test_weights_on_disk_give_a_system_that_retrieves(checkpoints):
    torch.manual_seed(0)
    path = checkpoints / "hubert_fairseq_base_ls960.pth"
    # The published model's shape, its weights at random.
    torch.save(torchaudio.models.hubert_base().state_dict(), path)
    try:
        assert pretrained.available()["hubert_base"] == path
        assert pretrained.absent() == ["wav2vec2_base", "wav2vec2_xlsr53", "wav2vec2_xlsr_300m"]
        sounds = recordings(4)
        system = baseline_systems(sounds, 16, RATE, 0)[-1]
    finally:
        path.unlink()  # 378 MB
    assert (system.name, system.label) == ("hubert_base", "HuBERT base, k-means, edit distance")
    generator = np.random.default_rng(1)
    noisy = [sound + 1e-3 * generator.standard_normal(len(sound)).astype(np.float32) for sound in sounds]
    strings = system.represent(sounds)
    assert all(0 < len(tokens) <= 50 and tokens.max() < 16 for tokens in strings)
    assert system.distances(system.represent(noisy), strings).argmin(axis=1).tolist() == [0, 1, 2, 3]
    assert len(system.represent([sounds[0][:10]])[0]) == 1


def test_recordings_are_drawn_until_they_are_enough():
    waveforms = [np.full(n, n, np.float32) for n in (30, 50, 20, 40)]
    drawn = pretrained.draw(waveforms, 60, np.random.default_rng(0))
    assert sum(map(len, drawn)) >= 60 > sum(map(len, drawn[:-1]))
    assert len(pretrained.draw(waveforms, 1000, np.random.default_rng(0))) == 4
