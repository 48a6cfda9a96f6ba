"""Schedules of the learning rate. After an epoch (or a training step: the unit is the caller's)
call `scheduler.step()`, after `optimizer.step()`.

Making a schedule sets the rates of epoch 0. Those that only multiply the present rate can be
chained: several on one optimizer, stepped one after the other.
"""

import copy
import math

from .optimizer import checked_optimizer
from .options import choice, flag, for_groups, integer, not_negative, number


class LRScheduler:
    """The base of the schedules. optimizer: whose groups' "lr" is set. last_epoch: -1 to begin.

    .base_lrs: the rates before any schedule, one a group; a group keeps its own as "initial_lr".
    """

    def __init__(self, optimizer, last_epoch=-1):
        self.optimizer = checked_optimizer(optimizer)
        last_epoch = integer("last_epoch", last_epoch, -1)
        for group in optimizer.param_groups:
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ValueError(f"last_epoch={last_epoch} needs the 'initial_lr' of every group, "
                                 "which an earlier schedule has put there")  # fmt: skip
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self.step()

    def get_lr(self, epoch):
        """The rate of each group at `epoch`, from what it was at the epoch before."""
        raise NotImplementedError

    def get_last_lr(self):
        """The present rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def step(self):
        """Go on to the next epoch."""
        rates = self.get_lr(self.last_epoch + 1)
        rated = list(zip(self.optimizer.param_groups, rates, strict=True))
        self.last_epoch += 1
        for group, rate in rated:
            group["lr"] = rate

    def state_dict(self):
        """All but the optimizer: a dict of numbers, lists and None."""
        return {name: copy.copy(v) for name, v in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict()` gave. The rates themselves are in the optimizer's state.
        ValueError where it is of another schedule."""
        expected = self.state_dict().keys()
        if not isinstance(state_dict, dict) or state_dict.keys() != expected:
            got = sorted(state_dict) if isinstance(state_dict, dict) else type(state_dict).__name__
            raise ValueError(f"state_dict must be a dict of {sorted(expected)}, got {got}")
        self.__dict__.update({name: copy.copy(v) for name, v in state_dict.items()})


class StepLR(LRScheduler):
    """Multiply the rate by gamma every step_size epochs: lr gamma^(epoch // step_size)."""

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size = integer("step_size", step_size, 1)
        self.gamma = not_negative("gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self, epoch):
        due = epoch > 0 and epoch % self.step_size == 0
        return [lr * self.gamma if due else lr for lr in self.get_last_lr()]


class MultiStepLR(LRScheduler):
    """Multiply the rate by gamma at each epoch of milestones; twice where one is given twice."""

    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1):
        self.milestones = sorted(integer("milestones", epoch, 0) for epoch in milestones)
        self.gamma = not_negative("gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self, epoch):
        factor = self.gamma ** self.milestones.count(epoch)
        return [lr * factor for lr in self.get_last_lr()]


class LinearWarmup(LRScheduler):
    """Raise the rate in a straight line from start_factor times itself at epoch 0 to itself at
    epoch total_iters, where it stays: PyTorch's LinearLR with its end at 1."""

    def __init__(self, optimizer, total_iters=5, start_factor=1 / 3, last_epoch=-1):
        self.total_iters = integer("total_iters", total_iters, 1)
        self.start_factor = number("start_factor", start_factor, 0, 1, above=0)
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch):
        done = min(epoch, self.total_iters) / self.total_iters
        return self.start_factor + (1 - self.start_factor) * done

    def get_lr(self, epoch):
        before = self._factor(epoch - 1) if epoch > 0 else 1
        return [lr * (self._factor(epoch) / before) for lr in self.get_last_lr()]


class CosineAnnealingLR(LRScheduler):
    """Lower the rate along half a cosine, from lr at epoch 0 to eta_min at epoch T_max, and raise
    it again after that: eta_min + (lr - eta_min) (1 + cos(pi epoch / T_max)) / 2
    (Loshchilov and Hutter, 2017, "SGDR")."""

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        self.T_max = integer("T_max", T_max, 1)
        self.eta_min = not_negative("eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def _height(self, epoch):
        return (1 + math.cos(math.pi * epoch / self.T_max)) / 2

    def get_lr(self, epoch):
        if epoch == 0:
            return self.get_last_lr()
        if (epoch - 1) % (2 * self.T_max) == self.T_max:  # up from the lowest point, where the
            return [  # rate no longer tells how high the cosine began
                lr + (base - self.eta_min) * self._height(epoch)
                for lr, base in zip(self.get_last_lr(), self.base_lrs, strict=True)
            ]
        fall = self._height(epoch) / self._height(epoch - 1)
        return [self.eta_min + (lr - self.eta_min) * fall for lr in self.get_last_lr()]


class OneCycleLR(LRScheduler):
    """One cycle over the whole training, a step a batch: up from max_lr / div_factor to max_lr,
    then down to max_lr / div_factor / final_div_factor (Smith and Topin, 2018,
    "Super-convergence"). It sets rates outright, so it cannot be chained.

    max_lr: a number, or one for each group. total_steps: of the cycle; if left out, the product of
    epochs and steps_per_epoch. pct_start: the share of steps that go up, in [0, 1].
    anneal_strategy: "cos" or "linear". cycle_momentum: move momentum (for Adam betas[0])
    the other way, between max_momentum and base_momentum. three_phase: come down to
    max_lr / div_factor as long as it went up, and only then to the end. A step beyond total_steps
    raises ValueError.
    """

    def __init__(
        self,
        optimizer,
        max_lr,
        total_steps=None,
        epochs=None,
        steps_per_epoch=None,
        pct_start=0.3,
        anneal_strategy="cos",
        cycle_momentum=True,
        base_momentum=0.85,
        max_momentum=0.95,
        div_factor=25.0,
        final_div_factor=1e4,
        three_phase=False,
        last_epoch=-1,
    ):
        checked_optimizer(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("total_steps, or both epochs and steps_per_epoch, must be given")
            total_steps = integer("epochs", epochs) * integer("steps_per_epoch", steps_per_epoch)
        self.total_steps = integer("total_steps", total_steps, 1)
        self.pct_start = number("pct_start", pct_start, 0, 1)
        self.anneal_strategy = choice("anneal_strategy", anneal_strategy, "cos", "linear")
        self.three_phase = flag("three_phase", three_phase)
        div_factor = number("div_factor", div_factor, above=0)
        final_div_factor = number("final_div_factor", final_div_factor, above=0)
        self.max_lrs = for_groups("max_lr", max_lr, optimizer)
        self.start_lrs = [lr / div_factor for lr in self.max_lrs]
        self.end_lrs = [lr / final_div_factor for lr in self.start_lrs]
        self.momentum_name = None
        if flag("cycle_momentum", cycle_momentum):
            names = [name for name in ("betas", "momentum") if name in optimizer.defaults]
            if not names:
                got = type(optimizer).__name__
                raise ValueError(f"cycle_momentum=True needs momentum or betas, which {got} lacks")
            self.momentum_name = names[0]
        self.base_momentums = for_groups("base_momentum", base_momentum, optimizer, below=1)
        self.max_momentums = for_groups("max_momentum", max_momentum, optimizer, below=1)
        super().__init__(optimizer, last_epoch)

    def _between(self, start, end, share):
        if self.anneal_strategy == "linear":
            return start + (end - start) * share
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

    def _phase(self, epoch):
        """Which phase epoch is in, and which share of it has passed."""
        up = self.pct_start * self.total_steps - 1
        ends = [up, self.total_steps - 1]
        if self.three_phase:
            ends.insert(1, 2 * up)
        phase = next((i for i, end in enumerate(ends) if epoch <= end), len(ends) - 1)
        start = ends[phase - 1] if phase else 0.0
        length = ends[phase] - start
        return phase, min((epoch - start) / length, 1.0) if length > 0 else 1.0

    def _along(self, phase, share, start, top, end, last):
        """The value there, of one that goes from start to top, and back to end (and last)."""
        turns = (start, top, end, last) if self.three_phase else (start, top, last)
        return self._between(turns[phase], turns[phase + 1], share)

    def get_lr(self, epoch):
        if epoch > self.total_steps:
            raise ValueError(f"step {epoch} of a cycle of total_steps={self.total_steps}")
        where = self._phase(epoch)
        rates = zip(self.start_lrs, self.max_lrs, self.end_lrs, strict=True)
        return [self._along(*where, start, top, start, end) for start, top, end in rates]

    def step(self):
        super().step()
        if self.momentum_name is None:
            return
        where = self._phase(self.last_epoch)
        momentums = zip(self.max_momentums, self.base_momentums, strict=True)
        for group, (high, low) in zip(self.optimizer.param_groups, momentums, strict=True):
            value = self._along(*where, high, low, high, high)
            if self.momentum_name == "betas":
                value = (value, group["betas"][1])
            group[self.momentum_name] = value


class ReduceLROnPlateau(LRScheduler):
    """Multiply the rate by factor when a measured value has not become better for `patience` steps.

    Call step(value). mode: "min" or "max", which values are better. threshold, threshold_mode: by
    which share of the best ("rel") or by how much ("abs") a value must be better to count.
    cooldown: steps after a reduction in which nothing counts. min_lr: no rate falls below it; a
    number, or one for each group. eps: a change of the rate smaller than this is not made.
    NaN is never better.
    """

    def __init__(
        self,
        optimizer,
        mode="min",
        factor=0.1,
        patience=10,
        threshold=1e-4,
        threshold_mode="rel",
        cooldown=0,
        min_lr=0.0,
        eps=1e-8,
    ):
        self.optimizer = checked_optimizer(optimizer)
        self.mode = choice("mode", mode, "min", "max")
        self.factor = number("factor", factor, 0, below=1)
        self.patience = integer("patience", patience, 0)
        self.threshold = not_negative("threshold", threshold)
        self.threshold_mode = choice("threshold_mode", threshold_mode, "rel", "abs")
        self.cooldown = integer("cooldown", cooldown, 0)
        self.min_lrs = for_groups("min_lr", min_lr, optimizer)
        self.eps = not_negative("eps", eps)
        self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = 0
        self.num_bad_epochs = 0
        self.last_epoch = 0

    def step(self, metrics):
        """Take the value measured after an epoch: a number, or anything float() takes."""
        value = float(metrics)
        self.last_epoch += 1
        if self._better(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lr = max(group["lr"] * self.factor, least)
                if group["lr"] - lr > self.eps:
                    group["lr"] = lr

    def _better(self, value):
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            return sign * value > sign * self.best * (1 + sign * self.threshold)
        return sign * value > sign * self.best + self.threshold
