"""Drawing random masks."""

import pytest

from bench.suites import mask


@pytest.mark.parametrize("case", mask.cases(), ids=str)
def test_mask(measure, case):
    measure(mask, case)
