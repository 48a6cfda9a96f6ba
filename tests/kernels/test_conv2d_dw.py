"""The gradient of a convolution's weights: the edges of its sweeps. More in test_conv2d.py."""

import pytest
from helpers import backward_of, check_kernel, conv_inputs


@pytest.mark.parametrize("width", [127, 128, 129, 300])
def test_rows_longer_than_a_sweep(isa, width):
    x, w, b = conv_inputs(2, (3, width), (2, 3), (9, 20, 1))
    for stride in (1, 2):
        check_kernel(isa, backward_of(x, w, b, stride, 1), exact=True)


@pytest.mark.parametrize("cout", [255, 256, 257, 530])
def test_more_filters_than_a_sweep_takes(isa, cout):
    x, w, b = conv_inputs(2, (4, 5), (3, 3), (8, cout, 1))
    check_kernel(isa, backward_of(x, w, b, 1, 1), exact=True)
