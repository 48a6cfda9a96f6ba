"""Normal noise: Box and Muller from the words of the stream, and the statistics of it."""

import math

import numpy as np
import pytest
from helpers import (
    assert_close,
    assert_same_bits,
    check_same_on_isas,
    check_same_on_threads,
    hashes,
    normals,
)

from minidrop import _kernels

ADDRESS = (3, 1, 4)
GOLDEN = "6ae4dbac0030753175da0562ee51361de39a65951bf6a45b3d03db59cd897cb4"
SIGMAS = 5.33  # two-sided 1e-7


def noise(n, first=0, dtype=np.float32, address=ADDRESS):
    return _kernels.gaussian(np.zeros(n, dtype), 1.0, False, *address, first)


def expected_noise(units):
    """From the text of csrc/rng.h: three superblocks make 512 points."""
    words = _kernels.random_words(768 * units, *ADDRESS, domain=9).reshape(units, 768)
    a, turns = words[:, :512], words[:, 512:]
    b = np.concatenate([turns & 0xFFFF, turns >> 16], axis=1)
    u = ((a & 0x7FFFFFFF) + 0.5) / 2**31
    t = (b << 16 | a & 0xFFFF).astype(np.int32) / 2**32
    r = np.where(a >> 31, -1, 1) * np.sqrt(-2 * np.log(u))
    return np.stack([r * np.cos(np.pi * t), r * np.sin(np.pi * t)], axis=1).ravel()


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-6), (np.float64, 1e-12)])
def test_values(isa, dtype, tolerance):
    got = noise(1024 * 10, dtype=dtype)
    np.testing.assert_allclose(got, expected_noise(10), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "n, first", [(0, 0), (1, 0), (1, 1023), (1023, 1), (1025, 512), (20_001, 77)]
)
def test_from_anywhere(isa, n, first):
    assert_same_bits(noise(n, first), noise(n + first)[first:])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_laws(isa, dtype):
    x, z = normals(1001, dtype=dtype), noise(1001, dtype=dtype)
    assert_close(_kernels.gaussian(x, 0.5, True, *ADDRESS), x * (1 + dtype(0.5) * z))
    assert_close(_kernels.gaussian(x, 0.5, False, *ADDRESS), x + dtype(0.5) * z)
    assert_same_bits(_kernels.gaussian(x, 0.0, True, *ADDRESS), x)


def test_isas_and_threads():
    x = normals(100_001)
    for multiply in (True, False):
        check_same_on_isas(_kernels.gaussian, x, 0.7, multiply, *ADDRESS, 9)
        check_same_on_threads(_kernels.gaussian, x, 0.7, multiply, *ADDRESS, 9, counts=(1, 2, 4, 7))


def test_golden():
    (z,) = check_same_on_isas(noise, 10_000)
    assert hashes(z) == GOLDEN


def test_moments_and_tails():
    n = 2**20
    z = noise(n).astype(np.float64)
    for power, mean, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert abs((z**power).mean() - mean) < SIGMAS * np.sqrt(variance / n)
    for limit, share in [
        (1, 0.31731050786),
        (2, 0.04550026390),
        (3, 0.00269979606),
        (4, 6.33424837e-5),
    ]:
        count = (np.abs(z) > limit).sum()
        assert abs(count - share * n) < SIGMAS * np.sqrt(share * n)
    assert 4.5 < np.abs(z).max() < 6.8


def test_distribution():
    """The largest distance from the normal distribution, against Kolmogorov's law."""
    n = 2**20
    z = np.sort(noise(n).astype(np.float64))
    share = np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in z])
    distance = max(np.max(np.arange(1, n + 1) / n - share), np.max(share - np.arange(n) / n))
    assert distance < math.sqrt(math.log(2 / 1e-7) / 2 / n)


def test_points_of_the_plane():
    """Radius and angle of the pairs: 64 x 64 cells are equally likely; so are angles close to an
    axis or a diagonal, where a coarse angle would show."""
    cells, n = 64, 2**20
    x, y = noise(2 * n).astype(np.float64).reshape(-1, 2, 512).transpose(1, 0, 2)
    radius = np.exp(-(x**2 + y**2) / 2).ravel()
    angle = (np.arctan2(y, x) / (2 * np.pi) % 1).ravel()
    counts = np.histogram2d(radius, angle, bins=cells, range=[(0, 1), (0, 1)])[0]
    expected, freedom = n / cells**2, cells**2 - 1
    chi_square = ((counts - expected) ** 2).sum() / expected
    assert abs(chi_square - freedom) < SIGMAS * math.sqrt(2 * freedom)
    near = (np.abs(np.sin(4 * np.pi * angle)) < 1e-3).sum()
    share = 2 * math.asin(1e-3) / math.pi
    assert abs(near - share * n) < SIGMAS * math.sqrt(share * n)


@pytest.mark.parametrize("lag", [1, 2, 16, 255, 256, 257, 511, 512, 513, 1024, 4096])
def test_no_correlation(lag):
    """Neither of the numbers nor of their squares, at the strides of the layout too."""
    n = 2**18
    z = noise(n + lag).astype(np.float64)
    a, b = z[:n], z[lag:]
    assert abs(np.dot(a, b)) < SIGMAS * np.sqrt(n)
    assert abs(np.dot(a**2 - 1, b**2 - 1)) < SIGMAS * 2 * np.sqrt(n)


@pytest.mark.parametrize("other", [(2, 1, 4), (3, 0, 4), (3, 1, 5)])
def test_no_noise_tells_of_another(other):
    n = 2**18
    a, b = noise(n).astype(np.float64), noise(n, address=other).astype(np.float64)
    assert abs(np.dot(a, b)) < SIGMAS * np.sqrt(n)


def test_bad_input():
    x = np.zeros(3, np.float32)
    for std in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="std must be a finite number"):
            _kernels.gaussian(x, std, True, 1)
    with pytest.raises(TypeError, match="x must be float32 or float64"):
        _kernels.gaussian(x.astype(np.int32), 1.0, True, 1)
    with pytest.raises(ValueError, match="offset must be in"):
        _kernels.gaussian(x, 1.0, True, 1, offset=-1)
