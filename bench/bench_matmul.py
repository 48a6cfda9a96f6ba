"""Matrix products: squares, layers, skinny shapes."""

import pytest

from bench.suites import matmul


@pytest.mark.parametrize("case", matmul.cases(), ids=str)
def test_matmul(measure, case):
    measure(matmul, case)
