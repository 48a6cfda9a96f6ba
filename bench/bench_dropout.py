"""Dropout, forward and backward, and the variants that have laws of their own."""

import pytest

from bench.suites import dropout, dropout_family, dropout_laws


@pytest.mark.parametrize("case", dropout.cases(), ids=str)
def test_dropout(measure, case):
    measure(dropout, case)


@pytest.mark.parametrize("case", dropout_laws.cases(), ids=str)
def test_dropout_laws(measure, case):
    measure(dropout_laws, case)


@pytest.mark.parametrize("case", dropout_family.cases(), ids=str)
def test_dropout_family(measure, case):
    measure(dropout_family, case)
