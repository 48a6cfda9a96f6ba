"""Monte-Carlo dropout: 50 predictions with dropout on."""

import pytest

from bench.suites import monte_carlo


@pytest.mark.parametrize("case", monte_carlo.cases(), ids=str)
def test_monte_carlo(measure, case):
    measure(monte_carlo, case)
