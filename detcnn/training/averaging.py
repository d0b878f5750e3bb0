"""A running average of a model's weights.

An average of the weights of many steps lies nearer the middle of a minimum than the weights of any
one of them (Polyak & Juditsky, SIAM J. Control Optim. 30 (1992) 838); an exponential one forgets
the beginning (Tarvainen & Valpola, arXiv:1703.01780).
"""

import copy

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from detcnn.models.standardise import DetectorModel


def start_average(model: DetectorModel) -> DetectorModel:
    """Return a copy of a model to hold the average, in evaluation mode and without gradients."""
    return copy.deepcopy(model).eval().requires_grad_(False)


@torch.no_grad()
def update_average(
    average: DetectorModel, model: DetectorModel, *, decay: float, n_steps: int
) -> None:
    """Take the weights of one more step into the average.

    What normalisation layers have counted up is averaged like the weights that it belongs to;
    whole numbers are taken over. What does not change keeps its bits.

    Parameters
    ----------
    average : DetectorModel
        From `start_average`; updated in place.
    model : DetectorModel
        After the step.
    decay : float
        Share of the average that is kept, 0 to 1 exclusive. In the first steps it is
        (1 + n) / (10 + n) where that is less, so that the drawn weights are soon forgotten.
    n_steps : int
        Number n of the step, from 1.
    """
    kept = min(decay, (1 + n_steps) / (10 + n_steps))
    new = model.state_dict()
    pairs = [(tensor, new[name]) for name, tensor in average.state_dict().items()]
    real = [pair for pair in pairs if pair[0].is_floating_point()]
    targets, sources = zip(*real, strict=True)
    average_into = get_ema_multi_avg_fn(kept)  # type: ignore[no-untyped-call]
    average_into(list(targets), list(sources), n_steps)
    for target, source in pairs:
        if not target.is_floating_point():
            target.copy_(source)
