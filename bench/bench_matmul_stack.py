"""Stacks of matrix products: heads of attention, small matrices, large ones."""

import pytest

from bench.suites import matmul_stack


@pytest.mark.parametrize("case", matmul_stack.cases(), ids=str)
def test_matmul_stack(measure, case):
    measure(matmul_stack, case)
