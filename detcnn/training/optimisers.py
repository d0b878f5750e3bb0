"""Optimisers and learning rates.

A learning rate is a function of how far the training is and of the losses so far, not a state that
steps along: there is nothing to save, and a resumed run cannot get it wrong.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from detcnn.training.history import stalls


def trained(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights that ask for a gradient, in the model's order."""
    return [weight for weight in model.parameters() if weight.requires_grad]


class OptimiserOptions(Protocol):
    """How weights are updated."""

    @property
    def learning_rate(self) -> float:
        """The rate that a schedule scales."""
        ...

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of those weights of a model that ask for a gradient."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Adam:
    """Adam (Kingma & Ba, arXiv:1412.6980), with β = 0.9, 0.999.

    Parameters
    ----------
    learning_rate : float
        Step size, positive.
    weight_decay : float
        Factor of an L2 penalty added to the gradient, at least 0.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.0

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of a model's weights."""
        return torch.optim.Adam(
            trained(model), lr=self.learning_rate, weight_decay=self.weight_decay, fused=True
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter, arXiv:1711.05101).

    Parameters
    ----------
    learning_rate : float
        Step size, positive.
    weight_decay : float
        Share of each weight that a step of unit learning rate takes away, at least 0.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.01

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of a model's weights."""
        return torch.optim.AdamW(
            trained(model), lr=self.learning_rate, weight_decay=self.weight_decay, fused=True
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SGD:
    """Stochastic gradient descent.

    Parameters
    ----------
    learning_rate : float
        Step size, positive.
    momentum : float
        Share of the last step that is made again, 0 to 1 exclusive.
    nesterov : bool
        Nesterov's form of the momentum; needs one above 0.
    weight_decay : float
        Factor of an L2 penalty added to the gradient, at least 0.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of a model's weights."""
        return torch.optim.SGD(
            trained(model),
            lr=self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            fused=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaDelta:
    """AdaDelta (Zeiler, arXiv:1212.5701, algorithm 1), its steps times a learning rate.

    Parameters
    ----------
    learning_rate : float
        What each step is multiplied by, positive; 1 is the algorithm as published.
    decay : float
        ρ, the share of the running means of squares that a step keeps, 0 to 1 exclusive.
    epsilon : float
        ε, added to the squares under the roots, positive: the size of the first steps.
    weight_decay : float
        Factor of an L2 penalty added to the gradient, at least 0.
    """

    learning_rate: float = 1.0
    decay: float = 0.95
    epsilon: float = 1e-6
    weight_decay: float = 0.0

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of a model's weights."""
        return torch.optim.Adadelta(
            trained(model),
            lr=self.learning_rate,
            rho=self.decay,
            eps=self.epsilon,
            weight_decay=self.weight_decay,
        )


class Schedule(Protocol):
    """How the learning rate changes."""

    def factor(self, *, epoch: int, share: float, losses: Sequence[float]) -> float:
        """Return what to multiply the optimiser's learning rate by, at one step.

        Parameters
        ----------
        epoch : int
            The epoch that the step belongs to, from 1.
        share : float
            Share of all steps of the training that is done before this one, 0 to 1.
        losses : sequence of float
            The monitored value of each finished epoch, lower is better.

        Returns
        -------
        float
        """
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """The same learning rate throughout."""

    def factor(self, *, epoch: int, share: float, losses: Sequence[float]) -> float:
        """Return 1."""
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosine:
    """Half a cosine from the full learning rate to a small one (arXiv:1608.03983, eq. 5).

    Parameters
    ----------
    final : float
        The factor that is approached at the end of the last epoch, 0 to 1.
    """

    final: float = 0.0

    def factor(self, *, epoch: int, share: float, losses: Sequence[float]) -> float:
        """Return final + (1 − final) · (1 + cos π·share) / 2."""
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A reduction every few epochs.

    Parameters
    ----------
    every : int
        Epochs between reductions, at least 1.
    reduction : float
        Each multiplies the learning rate by this, 0 to 1 exclusive.
    """

    every: int = 10
    reduction: float = 0.1

    def factor(self, *, epoch: int, share: float, losses: Sequence[float]) -> float:
        """Return `reduction` to the power of the reductions so far."""
        return float(self.reduction ** ((epoch - 1) // self.every))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """A reduction whenever the monitored value no longer improves.

    Parameters
    ----------
    patience : int
        Epochs in a row without improvement that bring a reduction, at least 1; the count then
        starts again.
    reduction : float
        Each multiplies the learning rate by this, 0 to 1 exclusive.
    min_improvement : float
        What counts as an improvement must beat the best by more than this, at least 0.
    """

    patience: int = 3
    reduction: float = 0.1
    min_improvement: float = 0.0

    def factor(self, *, epoch: int, share: float, losses: Sequence[float]) -> float:
        """Return `reduction` to the power of the stalls so far."""
        n_stalls = stalls(losses, patience=self.patience, min_improvement=self.min_improvement)
        return float(self.reduction**n_stalls)
