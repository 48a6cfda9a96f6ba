"""What a layer costs beside its arithmetic: 100 equal ones in a row."""

import pytest

from bench.suites import overhead


@pytest.mark.parametrize("case", overhead.cases(), ids=str)
def test_overhead(measure, case):
    measure(overhead, case)
