"""The form of a suite, a module with four names:

- CONTESTANTS: the names of those who take part, ours first;
- cases(): its rows, a list of Case;
- make(contestant, case): the Task of one contestant, or None if the case is not for it;
- verify(case, outputs): AssertionError unless the task's outputs agree with plain NumPy.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.arrays import bytes_on_a_line


@dataclass(frozen=True)
class Case:
    """One row. `amount` counts the work of one run in `unit`: "FLOP" (a multiply-add is two),
    "byte" (what an ideal fused implementation reads and writes) or "bit" (mask bits drawn).
    `spec` is what the suite needs to build it. `traffic`, for work counted in FLOP, is the bytes
    that have to be read and written at least: the row's place under a roofline."""

    name: str
    unit: str
    amount: float
    spec: tuple
    traffic: float | None = None

    def __str__(self):
        return self.name


@dataclass(frozen=True)
class Task:
    """What a contestant has to do. `run()` does the work once and returns when it is done.
    `collect()` is called once, before the clock starts, for the arrays that `verify` looks at, in
    the layout of this project (channels last); without it they are what one run returns. `note`
    is a word on how it is done, for the report: an algorithm's name."""

    run: Callable[[], object]
    collect: Callable[[], list] | None = None
    note: str = ""

    def outputs(self):
        return self.collect() if self.collect else [np.asarray(self.run())]


def normal(*shape, seed=0):
    """Standard normal float32 values, the same for every contestant, from a cache line on."""
    values = bytes_on_a_line(4 * math.prod(shape)).view(np.float32).reshape(shape)
    return np.random.default_rng(seed).standard_normal(out=values, dtype=np.float32)


def assert_close(got, expected, *, rtol=1e-4, what="result"):
    """Raises AssertionError unless `got` has the shape of `expected` and differs from it by at
    most `rtol` times the largest magnitude of `expected`: sums in another order differ by a
    rounding error of the whole sum, however small the element itself comes out."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    if expected.size == 0:
        return
    error = np.abs(got - expected)
    worst = np.unravel_index(np.argmax(error), error.shape)
    bound = rtol * max(np.abs(expected).max(), 1e-30)
    assert error[worst] <= bound, (
        f"{what}: element {tuple(map(int, worst))} is {got[worst]}, expected {expected[worst]}, "
        f"within {bound:.3g}"
    )


def compiled(contestant, function):
    """`function`, through torch.compile where that is the contestant's choice. At the first call
    it may take half a minute."""
    if not contestant.compiled:
        return function
    import torch

    torch._functorch.config.donated_buffer = False  # a backward is run again and again
    return torch.compile(function)
