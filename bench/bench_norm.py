"""Batch norm and layer norm."""

import pytest

from bench.suites import norm


@pytest.mark.parametrize("case", norm.cases(), ids=str)
def test_norm(measure, case):
    measure(norm, case)
