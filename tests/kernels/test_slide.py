"""A product that slides over an image: what of the padding is left out. More in test_conv2d.py."""

import pytest
from helpers import backward_of, check_kernel, conv_inputs

from minidrop import _kernels


@pytest.mark.parametrize("cin, cout", [(16, 16), (20, 35), (256, 3)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 5)])
def test_columns_at_the_sides(isa, cin, cout, kernel):
    """With enough channels and rows they go apart, with the taps that meet the image."""
    for size, stride, padding, dilation in (
        ((9, 8), 1, 1, 1), ((12, 9), 1, (1, 4), 1), ((13, 14), (1, 2), 2, 1), ((20, 5), 2, 1, 1),
        ((11, 12), 1, (2, 5), (2, 3)), ((8, 2), 1, (0, 3), 1),
    ):  # fmt: skip
        x, w, b = conv_inputs(2, size, kernel, (cin, cout, 1))
        where = (stride, padding, dilation)
        check_kernel(isa, _kernels.conv2d_forward, x, w, b, *where, relu=True, exact=True)
        check_kernel(isa, backward_of(x, w, b, *where), exact=True)
