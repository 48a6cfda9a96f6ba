"""Logits of a network in evaluation mode."""

import pytest

from bench.suites import inference


@pytest.mark.parametrize("case", inference.cases(), ids=str)
def test_inference(measure, case):
    measure(inference, case)
