"""The peak kernels count the work that they do."""

import pytest

from minidrop import _kernels


@pytest.mark.parametrize("peak", [_kernels.fma_peak, _kernels.tile_peak, _kernels.exchange])
def test_work_grows_with_iterations_and_threads(isa, peak):
    _kernels.set_num_threads(1)
    one = peak(100)
    assert one >= 200 and peak(300) == 3 * one
    _kernels.set_num_threads(2)
    assert peak(100) in (one, 2 * one)  # the reference has no threads
