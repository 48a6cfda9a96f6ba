"""A whole training step."""

import pytest

from bench.suites import train_step


@pytest.mark.parametrize("case", train_step.cases(), ids=str)
def test_train_step(measure, case):
    measure(train_step, case)
