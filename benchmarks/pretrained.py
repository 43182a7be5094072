"""The alternative to training wav2tok: the units of a large pretrained speech model.

HuBERT base and wav2vec 2.0 base at full size with random weights: their cost does not depend on the weights.
"""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchaudio.models import Wav2Vec2Model, hubert_base, wav2vec2_base

MODELS = {"hubert_base": hubert_base, "wav2vec2_base": wav2vec2_base}


def build(name: str) -> Wav2Vec2Model:
    """``hubert_base`` or ``wav2vec2_base`` for inference, on the CPU, always with the same random weights.

    Raises:
        ValueError: another name.
    """
    if name not in MODELS:
        raise ValueError(f"{name!r} is not a model here; use one of {', '.join(MODELS)}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MODELS[name]().eval()


@torch.inference_mode()
def tokenize(model: Wav2Vec2Model, waveforms: Tensor, centroids: Tensor, layer: int = 6) -> Tensor:
    """The nearest centroid, by Euclidean distance, of every frame at a transformer layer.

    No layer after ``layer`` is computed. HuBERT units are usually those of layer 6 of 12; layer 12 is the whole model.
    Leaves ``model`` in evaluation mode.

    Args:
        model: of embeddings of width D, 768 for the base models.
        waveforms: [B, N] at 16 kHz, all of full length.
        centroids: [K, D].
        layer: from 1 to the number of layers.

    Returns:
        int64 [B, T], T = 50 per second of audio, less one at the end.

    Raises:
        ValueError: the model has no such layer.
    """
    features = model.eval().extract_features(waveforms, num_layers=layer)[0][-1]
    # |x - c|^2 / 2 without |x|^2 / 2, which is the same for every centroid.
    return (centroids.square().sum(dim=1) / 2 - features @ centroids.T).argmin(dim=2)


def training_step(model: Wav2Vec2Model, waveforms: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One step of fine-tuning the whole model (forward, backward, update), to measure its cost.

    The loss is the squared error of the output against a random target that is the same at every step. In training
    mode the models skip layers at random (a twentieth of them in HuBERT base, a tenth in wav2vec 2.0 base), so take
    the median of several steps. Leaves ``model`` in training mode.

    Args:
        model: its parameters are those of ``optimizer``.
        waveforms: [B, N] at 16 kHz, all of full length, on the model's device.
        optimizer: takes the step.
    """
    output, _ = model.train()(waveforms)
    # Drawn on the device: copying it there would count in the step.
    generator = torch.Generator(output.device).manual_seed(0)
    loss = F.mse_loss(output, torch.randn(output.shape, generator=generator, device=output.device))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
