"""One step of each optimizer."""

import pytest

from bench.suites import optimizer


@pytest.mark.parametrize("case", optimizer.cases(), ids=str)
def test_optimizer(measure, case):
    measure(optimizer, case)
