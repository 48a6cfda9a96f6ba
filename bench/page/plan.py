"""Which rows a report measures: all that a goal is read off, and growth; or a few, quickly."""

import re

from bench import suites
from bench.page.goals import GOALS

QUICK = (
    "matmul NN 128x128x128", "matmul NT 128x10x512", "conv2d mnist2b1 1x26x26x32 3x3x64 forward",
    "dropout forward p0.5 1M", "pool max 1x24x24x64 forward", "activation relu forward",
    "optimizer adam step 1.2M", "train_step keras batch 128 adam", "inference cnn batch 1",
    "growth batch 1", "growth batch 4", "growth batch 16", "growth depth 2", "growth depth 5",
    "growth depth 10",
)  # fmt: skip
# It compiles for half a minute; and variants that a faster one of the same library stands for.
NOT_QUICK = {"torch_compile", "torch_tuned", "torch_cl"}

# the case whose memory is measured, and by whom
MEMORY_CASE = ("train_step", "cnn batch 128 adam")
QUICK_MEMORY_CASE = ("train_step", "keras batch 128 adam")


def rows(quick=False, only=""):
    """[(suite, case)] in the suites' order, those whose name contains `only`."""
    return [
        (suite, case) for suite, case in suites.select(only)
        if (f"{suites.name_of(suite)} {case.name}" in QUICK if quick else _is_asked(suite, case))
    ]  # fmt: skip


def _is_asked(suite, case):
    name = suites.name_of(suite)
    return name == "growth" or any(
        name == goal.suite and re.match(goal.pattern, case.name) for goal in GOALS
    )
