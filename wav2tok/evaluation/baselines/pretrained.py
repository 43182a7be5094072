"""Baselines of self-supervised speech models: frames of layer 6 -> k-means -> tokens -> edit distance.

The models are those of `torchaudio.pipelines` whose weights are already where torch hub keeps them,
``$TORCH_HOME/hub/checkpoints/FILE`` (``~/.cache/torch`` unless set). **Nothing is ever downloaded**: a model without
weights is `absent`, and the report says so. HuBERT's own units come from layer 6 (W.-N. Hsu et al., 2021: the second
iteration clusters the sixth layer); that layer is used of all models, the deeper ones included, in 20 ms frames.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torchaudio
from torchaudio.pipelines import Wav2Vec2Bundle

from wav2tok.audio import decode
from wav2tok.errors import UserError
from wav2tok.evaluation.baselines.kmeans import kmeans, nearest, training_frames
from wav2tok.evaluation.systems import Represent, Representation, System
from wav2tok.matching.distances import edit_distances

LABELS = {
    "hubert_base": "HuBERT base",
    "wav2vec2_base": "wav2vec 2.0 base",
    "wav2vec2_xlsr53": "wav2vec 2.0 XLSR-53",
    "wav2vec2_xlsr_300m": "wav2vec 2.0 XLS-R 300M",
}
"""System name -> label; in capitals, the system's name is that of its bundle in `torchaudio.pipelines`."""

LAYER = 6
# The receptive field of the convolutions: fewer samples give no frame.
_LEAST_SAMPLES = 400
# 30,000 frames for k-means, for which a base model takes a minute on two cores.
_TRAIN_SECONDS = 600


def available() -> dict[str, Path | None]:
    """Each model's weights on disk, or None; by system name."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    paths = {name: folder / _bundle(name)._path for name in LABELS}
    return {name: path if path.is_file() else None for name, path in paths.items()}


def absent() -> list[str]:
    """The names of the models whose weights are not on disk."""
    return [name for name, path in available().items() if path is None]


def pretrained_systems(train: Sequence[np.ndarray], num_tokens: int, sample_rate: int, seed: int) -> list[System]:
    """A system for each model whose weights are on disk; k-means learns ``num_tokens`` centroids from ``train``.

    Args:
        train: waveforms, float32 [N] at ``sample_rate``; ten minutes of them are used, chosen by ``seed``.

    Raises:
        UserError: weights that cannot be read, or that belong to another model.
    """
    systems = []
    for name, path in available().items():
        if path is None:
            continue
        generator = np.random.default_rng(seed)
        represent = layer_frames(name, path, sample_rate)
        frames = training_frames(represent, draw(train, _TRAIN_SECONDS * sample_rate, generator), generator)
        encode = nearest(represent, kmeans(frames, num_tokens, seed))
        label = f"{LABELS[name]}, k-means, edit distance"
        systems.append(System(name, label, Representation(name, encode), edit_distances))
    return systems


def draw(waveforms: Sequence[np.ndarray], samples: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Waveforms in random order until they hold ``samples`` samples; all if that is not enough, and at least one."""
    order = generator.permutation(len(waveforms))
    before = np.cumsum([0, *(len(waveforms[i]) for i in order)])[:-1]
    return [waveforms[i] for i in order[before < samples]]


def layer_frames(name: str, path: Path, sample_rate: int) -> Represent:
    """A function from waveforms, float32 [N] at ``sample_rate``, to frames of layer 6, float32 [T, 768 or 1024].

    The model is loaded once, onto the GPU if there is one.

    Args:
        name: one of `LABELS`.
        path: the weights, which must exist.

    Raises:
        UserError: weights that cannot be read, or that belong to another model.
    """
    bundle = _bundle(name)
    try:
        # The file exists, so nothing is fetched. Only tensors are loaded, since a pickle could run any code.
        model = bundle.get_model(dl_kwargs={"model_dir": str(path.parent), "weights_only": True, "map_location": "cpu"})
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError, TypeError, AttributeError) as error:
        reason = str(error).partition("\n")[0].strip().rstrip(".:") or type(error).__name__
        raise UserError(f"{path} does not hold the weights of {LABELS[name]} ({reason}); remove it.") from None
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.eval().to(device)

    def represent(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        frames = []
        with torch.inference_mode():
            for waveform in waveforms:
                signal = decode.resample(waveform, sample_rate, int(bundle.sample_rate))
                signal = np.pad(signal, (0, max(0, _LEAST_SAMPLES - len(signal))))
                layers, _ = model.extract_features(torch.from_numpy(signal)[None].to(device), num_layers=LAYER)
                frames.append(layers[-1][0].cpu().numpy())
        return frames

    return represent


def _bundle(name: str) -> Wav2Vec2Bundle:
    return getattr(torchaudio.pipelines, name.upper())
