"""Each schedule against its closed formula."""

import copy
import math

import numpy as np
import pytest

from minidrop import optim
from minidrop.optim import lr_scheduler as schedules
from minidrop.tensor import Tensor


def sgd(lr=0.1, groups=1, **options):
    params = [Tensor(np.zeros(2, np.float32), requires_grad=True) for _ in range(groups)]
    return optim.SGD([{"params": p, "lr": lr * (i + 1)} for i, p in enumerate(params)], lr,
                     **options)  # fmt: skip


def rates(scheduler, epochs, *values):
    """The rate of the first group in each epoch."""
    found = []
    for epoch in range(epochs):
        found.append(scheduler.get_last_lr()[0])
        scheduler.step(*([values[epoch]] if values else []))
    return found


def cosine(start, end, share):
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


FORMULAS = {
    "step": (lambda o: schedules.StepLR(o, 3, 0.5), lambda t: 0.1 * 0.5 ** (t // 3)),
    "step_each": (lambda o: schedules.StepLR(o, 1), lambda t: 0.1 * 0.1**t),
    "multistep": (
        lambda o: schedules.MultiStepLR(o, [9, 2, 5, 5], 0.5),
        lambda t: 0.1 * 0.5 ** sum(t >= m for m in (2, 5, 5, 9)),
    ),
    "multistep_at_once": (lambda o: schedules.MultiStepLR(o, [0], 0.5), lambda t: 0.05),
    "warmup": (
        lambda o: schedules.LinearWarmup(o, 4, 0.2),
        lambda t: 0.1 * (0.2 + 0.8 * min(t, 4) / 4),
    ),
    "warmup_default": (
        lambda o: schedules.LinearWarmup(o),
        lambda t: 0.1 * (1 / 3 + 2 / 3 * min(t, 5) / 5),
    ),
    "cosine": (
        lambda o: schedules.CosineAnnealingLR(o, 10, 0.01),
        lambda t: cosine(0.1, 0.01, t / 10),
    ),
    "cosine_to_zero": (
        lambda o: schedules.CosineAnnealingLR(o, 3),
        lambda t: cosine(0.1, 0, t / 3),
    ),
    "cosine_of_one": (lambda o: schedules.CosineAnnealingLR(o, 1), lambda t: 0.1 * (t % 2 == 0)),
    "chained": (
        lambda o: Chain(schedules.LinearWarmup(o, 4, 0.5), schedules.CosineAnnealingLR(o, 30)),
        lambda t: (0.5 + 0.5 * min(t, 4) / 4) * cosine(0.1, 0, t / 30),
    ),
}


class Chain:
    def __init__(self, *chained):
        self.chained = chained
        self.get_last_lr = chained[0].get_last_lr

    def step(self):
        for scheduler in self.chained:
            scheduler.step()


@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name):
    make, formula = FORMULAS[name]
    found = rates(make(sgd()), 25)
    np.testing.assert_allclose(found, [formula(t) for t in range(25)], rtol=1e-12, atol=1e-16)


def test_groups_and_manual_change():
    """Each group goes its own way, and a rate that the user sets is what is multiplied."""
    optimizer = sgd(groups=2)
    scheduler = schedules.StepLR(optimizer, 1, 0.5)
    scheduler.step()
    assert scheduler.get_last_lr() == [0.05, 0.1] and scheduler.base_lrs == [0.1, 0.2]
    optimizer.param_groups[0]["lr"] = 1.0
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5, 0.05]


# ---- one cycle ----


def one_cycle(t, total, anneal, up=0.3, phases=2, low=0.5 / 25, top=0.5, end=0.5 / 25e4):
    """(rate, momentum) at step t."""
    rise = up * total - 1
    ends = [0, rise, 2 * rise, total - 1] if phases == 3 else [0, rise, total - 1]
    values = [low, top, low, end] if phases == 3 else [low, top, end]
    speeds = [0.95, 0.85, 0.95, 0.95] if phases == 3 else [0.95, 0.85, 0.95]
    i = next(i for i in range(phases) if t <= ends[i + 1])
    share = (t - ends[i]) / (ends[i + 1] - ends[i])
    return anneal(values[i], values[i + 1], share), anneal(speeds[i], speeds[i + 1], share)


def linear(start, end, share):
    return start + (end - start) * share


@pytest.mark.parametrize("phases", [2, 3])
@pytest.mark.parametrize("strategy, anneal", [("cos", cosine), ("linear", linear)])
@pytest.mark.parametrize("adam", [False, True])
def test_one_cycle(phases, strategy, anneal, adam):
    p = Tensor(np.zeros(2, np.float32), requires_grad=True)
    optimizer = optim.Adam([p]) if adam else optim.SGD([p], 0.1, momentum=0.9)
    scheduler = schedules.OneCycleLR(
        optimizer, 0.5, epochs=5, steps_per_epoch=8, anneal_strategy=strategy,
        three_phase=phases == 3,
    )  # fmt: skip
    group = optimizer.param_groups[0]
    for t in range(40):
        found = group["lr"], group["betas"][0] if adam else group["momentum"]
        np.testing.assert_allclose(found, one_cycle(t, 40, anneal, phases=phases), rtol=1e-12)
        scheduler.step()
    assert not adam or group["betas"][1] == 0.999
    np.testing.assert_allclose(group["lr"], 0.5 / 25e4, rtol=1e-9)
    before = copy.deepcopy((group, scheduler.state_dict()))
    with pytest.raises(ValueError, match="step 41 of a cycle of total_steps=40"):
        scheduler.step()
    assert repr(before) == repr((group, scheduler.state_dict()))


@pytest.mark.parametrize("total, start", [(1, 0.3), (10, 0.1), (10, 0.0), (10, 1.0), (2, 0.5)])
def test_one_cycle_short(total, start):
    """Phases of no length are passed over."""
    scheduler = schedules.OneCycleLR(sgd(momentum=0.9), 0.5, total_steps=total, pct_start=start)
    found = rates(scheduler, total)
    assert all(0 < lr <= 0.5 for lr in found)


def test_one_cycle_groups():
    optimizer = sgd(groups=2, momentum=0.9)
    scheduler = schedules.OneCycleLR(optimizer, [1.0, 2.0], 10, cycle_momentum=False, div_factor=10)
    assert scheduler.get_last_lr() == pytest.approx([0.1, 0.2])
    assert optimizer.param_groups[0]["momentum"] == 0.9


# ---- plateau ----


def test_plateau():
    scheduler = schedules.ReduceLROnPlateau(sgd(0.8), factor=0.5, patience=2)
    values = [5, 4, 4, 4, 4, 4, 4, 4, 3]
    assert rates(scheduler, 9, *values) == [0.8] * 5 + [0.4] * 3 + [0.2]


def test_plateau_cooldown_and_floor():
    scheduler = schedules.ReduceLROnPlateau(sgd(0.8), "min", 0.5, 0, cooldown=1, min_lr=0.3)
    assert rates(scheduler, 7, *[1] * 7) == [0.8, 0.8, 0.4, 0.4, 0.3, 0.3, 0.3]


@pytest.mark.parametrize(
    "mode, threshold_mode, value, better",
    [
        ("min", "rel", 0.89, True),
        ("min", "rel", 0.91, False),
        ("min", "abs", 0.89, True),
        ("max", "rel", 1.11, True),
        ("max", "rel", 1.09, False),
        ("max", "abs", 1.11, True),
        ("max", "abs", 1.09, False),
        ("min", "abs", math.nan, False),
    ],
)
def test_plateau_threshold(mode, threshold_mode, value, better):
    scheduler = schedules.ReduceLROnPlateau(
        sgd(), mode, patience=0, threshold=0.1, threshold_mode=threshold_mode
    )
    scheduler.step(1.0)
    scheduler.step(Tensor([value]).item())
    assert (scheduler.get_last_lr()[0] == 0.1) == better


# ---- state and arguments ----

SCHEDULES = {
    "StepLR": lambda o: schedules.StepLR(o, 3),
    "MultiStepLR": lambda o: schedules.MultiStepLR(o, [2, 7]),
    "LinearWarmup": lambda o: schedules.LinearWarmup(o, 9),
    "CosineAnnealingLR": lambda o: schedules.CosineAnnealingLR(o, 8),
    "OneCycleLR": lambda o: schedules.OneCycleLR(o, 0.5, 30),
    "ReduceLROnPlateau": lambda o: schedules.ReduceLROnPlateau(o, patience=1),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_state_round_trip(name):
    """Optimizer and schedule, stopped and restored, go on as if nothing had been."""
    values = [1.0] * 12 if name == "ReduceLROnPlateau" else []
    optimizer = sgd(momentum=0.9)
    scheduler = SCHEDULES[name](optimizer)
    rates(scheduler, 5, *values)
    state = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    expected = rates(scheduler, 12, *values)

    other = sgd(0.7, momentum=0.9)
    restored = SCHEDULES[name](other)
    other.load_state_dict(state[0])
    restored.load_state_dict(state[1])
    assert rates(restored, 12, *values) == expected
    assert restored.state_dict() == scheduler.state_dict()


def test_last_epoch():
    """A schedule that is made anew at a later epoch goes on from the rate that is there."""
    optimizer = sgd()
    scheduler = schedules.StepLR(optimizer, 2, 0.5)
    expected = rates(scheduler, 8)
    with pytest.raises(ValueError, match="last_epoch=2 needs the 'initial_lr'"):
        schedules.StepLR(sgd(), 2, 0.5, last_epoch=2)
    optimizer = sgd()
    rates(schedules.StepLR(optimizer, 2, 0.5), 2)
    later = schedules.StepLR(optimizer, 2, 0.5, last_epoch=2)
    assert rates(later, 5) == expected[3:]


def test_bad_state():
    scheduler = schedules.StepLR(sgd(), 3)
    state = schedules.MultiStepLR(sgd(), [3]).state_dict()
    before = scheduler.state_dict()
    with pytest.raises(ValueError, match="state_dict must be a dict of .*'step_size'"):
        scheduler.load_state_dict(state)
    assert scheduler.state_dict() == before


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda o: schedules.StepLR("adam", 1), TypeError, "optimizer must .*, got str"),
        (lambda o: schedules.StepLR(o, 0), ValueError, "step_size must be at least 1, got 0"),
        (lambda o: schedules.StepLR(o, 1.5), TypeError, "step_size must be an int, got 1.5"),
        (lambda o: schedules.StepLR(o, 1, -1), ValueError, "gamma must"),
        (lambda o: schedules.MultiStepLR(o, [-1]), ValueError, "milestones must be at least 0"),
        (lambda o: schedules.LinearWarmup(o, 0), ValueError, "total_iters must"),
        (lambda o: schedules.LinearWarmup(o, 3, 0.0), ValueError, "start_factor must .* above 0"),
        (lambda o: schedules.LinearWarmup(o, 3, 1.5), ValueError, "start_factor must .* most 1"),
        (lambda o: schedules.CosineAnnealingLR(o, 0), ValueError, "T_max must"),
        (lambda o: schedules.CosineAnnealingLR(o, 3, math.nan), ValueError, "eta_min must"),
        (lambda o: schedules.OneCycleLR(o, 0.1), ValueError, "total_steps, or both"),
        (lambda o: schedules.OneCycleLR(o, 0.1, 0), ValueError, "total_steps must"),
        (lambda o: schedules.OneCycleLR(o, 0.1, 9, pct_start=2), ValueError, "pct_start must"),
        (lambda o: schedules.OneCycleLR(o, 0.1, 9, div_factor=0), ValueError, "div_factor must"),
        (lambda o: schedules.OneCycleLR(o, [0.1] * 2, 9), ValueError, "max_lr must be a .* or 1"),
        (
            lambda o: schedules.OneCycleLR(o, 0.1, 9, anneal_strategy="sine"),
            ValueError,
            "anneal_strategy must be one of 'cos', 'linear', got 'sine'",
        ),
        (
            lambda o: schedules.OneCycleLR(optim.Adagrad(o.param_groups[0]["params"]), 0.1, 9),
            ValueError,
            "needs momentum or betas, which Adagrad lacks",
        ),
        (lambda o: schedules.ReduceLROnPlateau(o, "best"), ValueError, "mode must be one of"),
        (lambda o: schedules.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor .* below 1"),
        (lambda o: schedules.ReduceLROnPlateau(o, patience=-1), ValueError, "patience must"),
    ],
)
def test_bad_argument(make, error, message):
    optimizer = sgd()
    before = repr(optimizer.param_groups[0])
    with pytest.raises(error, match=message):
        make(optimizer)
    assert repr(optimizer.param_groups[0]) == before
