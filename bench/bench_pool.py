"""Max pooling, forward and backward."""

import pytest

from bench.suites import pool


@pytest.mark.parametrize("case", pool.cases(), ids=str)
def test_pool(measure, case):
    measure(pool, case)
