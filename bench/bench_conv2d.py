"""Convolution: forward and both gradients."""

import pytest

from bench.suites import conv2d


@pytest.mark.parametrize("case", conv2d.cases(), ids=str)
def test_conv2d(measure, case):
    measure(conv2d, case)
