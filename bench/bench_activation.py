"""Activations and the classifier's loss."""

import pytest

from bench.suites import activation


@pytest.mark.parametrize("case", activation.cases(), ids=str)
def test_activation(measure, case):
    measure(activation, case)
