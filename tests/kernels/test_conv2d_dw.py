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


# kernel, stride, padding, dilation: of an image of one channel, all taps at once or row by row
ONE_CHANNEL = {
    "classic": ((3, 3), 1, 0, 1),
    "one_tap": ((1, 1), 1, 0, 1),
    "most_taps": ((4, 4), 1, 2, 1),
    "too_many_taps": ((5, 4), 1, 2, 1),
    "stride_down": ((3, 3), (2, 1), 1, 1),
    "stride_across": ((3, 3), (1, 2), 1, 1),
    "dilated": ((3, 3), 1, (2, 3), (2, 3)),
}


@pytest.mark.parametrize("geometry", ONE_CHANNEL.values(), ids=ONE_CHANNEL.keys())
@pytest.mark.parametrize("cout", [1, 7, 35])
@pytest.mark.parametrize("width", [9, 300])
def test_one_channel(isa, geometry, cout, width):
    kernel, *where = geometry
    x, w, b = conv_inputs(3, (40 if width == 9 else 5, width), kernel, (1, cout, 1))
    check_kernel(isa, backward_of(x, w, b, *where), exact=True)
