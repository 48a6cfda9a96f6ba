"""Dropout rates that change during the training."""

import math

from ..arguments import integer
from ..functional import check_p
from ..nn import ConcreteDropout, GaussianNoise
from ..nn.dropout.base import DropoutLayer
from .callbacks import Callback


class RateSchedule(Callback):
    """Set the rate p of dropout layers before each training step: p = rate(step).

    rate: a function of the number of training steps that are done, from 0, or of epochs with
        interval="epoch"; the same number must give the same rate. `RateSchedule.linear` and
        `RateSchedule.curriculum` make the usual ones.
    layers: the paths of the layers, as in `model.named_modules()`; a path of a container names all
        dropout layers below it. None: all of the model, but for ConcreteDropout, which learns its
        own. GaussianNoise has no rate, and is passed over.

    p is the last rate that was set; it stays in the layers after the training. A resumed run goes
    on with the rate that it had. Before the first step: ValueError for a path that leads to no
    dropout layer. From the step that it concerns: ValueError or TypeError, with the step, for a
    rate that is no number in [0, 1].
    """

    def __init__(self, rate, layers=None, *, interval="step"):
        if not callable(rate):
            raise TypeError(f"rate must be a function of the step, got {rate!r}")
        if interval not in ("step", "epoch"):
            raise ValueError(f"interval must be 'step' or 'epoch', got {interval!r}")
        if isinstance(layers, str):
            layers = (layers,)
        self.rate, self.interval = rate, interval
        self.layers = None if layers is None else tuple(layers)
        self.p = None

    @classmethod
    def linear(cls, start, end, steps, layers=None, *, interval="step"):
        """From the rate `start` in a straight line to `end`, which is reached after `steps` steps
        and stays."""
        start, end = check_p(start, "start"), check_p(end, "end")
        steps = integer("steps", steps, low=1)

        def rate(step):
            share = min(step / steps, 1.0)
            return start * (1 - share) + end * share

        return cls(rate, layers, interval=interval)

    @classmethod
    def curriculum(cls, p, gamma, layers=None, *, interval="step"):
        """From no dropout up to the rate p: p (1 - e^(-gamma step)), so that training begins with
        the easy task. Morerio et al. 2017, "Curriculum dropout", who take gamma = 10 / steps in
        all."""
        p = check_p(p)
        if isinstance(gamma, bool) or not isinstance(gamma, (int, float)):
            raise TypeError(f"gamma must be a number, got {gamma!r}")
        if not 0 < gamma < math.inf:
            raise ValueError(f"gamma must be above 0, got {gamma!r}")
        return cls(lambda step: -p * math.expm1(-gamma * step), layers, interval=interval)

    def on_train_begin(self):
        self.chosen = self._chosen(self.run.model)
        self._set_rate()

    def on_batch_end(self, batch, logs):
        if self.interval == "step":
            self._set_rate()

    def on_epoch_end(self, epoch, logs):
        if self.interval == "epoch":
            self._set_rate()

    def _set_rate(self):
        """For the step that comes next."""
        step = self.run.global_step if self.interval == "step" else self.run.epoch
        self._put(check_p(self.rate(step), f"RateSchedule: rate({step})"))

    def _put(self, p):
        self.p = p
        for layer in self.chosen:
            layer.p = p

    def _chosen(self, model):
        """The dropout layers that `layers` names."""
        if self.layers is None:
            return [m for m in model.modules()
                    if _has_rate(m) and not isinstance(m, ConcreteDropout)]
        there = dict(model.named_modules())
        chosen = []
        for path in self.layers:
            below = there[path].modules() if path in there else ()
            found = [module for module in below if _has_rate(module)]
            if not found:
                known = [p for p, module in there.items() if _has_rate(module)]
                raise ValueError(f"layers must be paths of dropout layers, which are {known}, "
                                 f"got {path!r}")
            chosen += found
        return chosen

    def state_dict(self):
        return {"p": self.p}

    def load_state_dict(self, state):
        self._put(state["p"])


def _has_rate(module):
    return isinstance(module, DropoutLayer) and not isinstance(module, GaussianNoise)
