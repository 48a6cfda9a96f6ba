"""Zoneout kernels: new where the mask keeps, old elsewhere."""

import numpy as np
import pytest
from helpers import assert_same_bits, check_same_on_isas, check_same_on_threads, normals

from minidrop import _kernels

ISAS = _kernels.available_isas()
ADDRESS = (3, 1, 4)


def kept(n, p, first=0):
    bits = _kernels.mask_bits(n, p, *ADDRESS, first)
    return np.unpackbits(bits.astype("<u4").view(np.uint8), count=n, bitorder="little").astype(bool)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("n, first", [(0, 0), (1, 0), (33, 7), (512, 0), (10_001, 300)])
def test_values(isa, n, first, p, dtype):
    new, old = normals(n, 1, dtype), normals(n, 2, dtype)
    new[:3], old[:2] = np.nan, np.inf
    mask = kept(n, p, first)
    y, bits = _kernels.zoneout_forward(new, old, p, *ADDRESS, first)
    assert_same_bits(y, np.where(mask, new, old))
    assert_same_bits(bits, _kernels.mask_bits(n, p, *ADDRESS, first))
    again, none = _kernels.zoneout_forward(new, old, p, *ADDRESS, first, keep_bits=False)
    assert none is None
    assert_same_bits(again, y)
    dnew, dold = _kernels.zoneout_backward(new, bits)
    assert_same_bits(dnew, np.where(mask, new, dtype(0)))
    assert_same_bits(dold, np.where(mask, dtype(0), new))
    assert _kernels.zoneout_backward(new, bits, want_old=False)[1] is None
    assert _kernels.zoneout_backward(new, bits, want_new=False)[0] is None


def test_isas_and_threads():
    new, old = normals((300, 501), 1), normals((300, 501), 2)
    y, bits = check_same_on_isas(_kernels.zoneout_forward, new, old, 0.3, *ADDRESS, 9, isas=ISAS)
    check_same_on_isas(_kernels.zoneout_backward, y, bits, isas=ISAS)
    check_same_on_threads(_kernels.zoneout_forward, new, old, 0.3, *ADDRESS, 9)
    check_same_on_threads(_kernels.zoneout_backward, y, bits)


def test_bad_input():
    x = np.zeros((3, 4), np.float32)
    with pytest.raises(ValueError, match="old_state must have the shape of new_state"):
        _kernels.zoneout_forward(x, np.zeros((3, 1), np.float32), 0.5, 1)
    with pytest.raises(TypeError, match="one op takes one element type"):
        _kernels.zoneout_forward(x, np.zeros((3, 4)), 0.5, 1)
    with pytest.raises(ValueError, match="bits must have shape"):
        _kernels.zoneout_backward(x, np.zeros(2, np.uint32))
