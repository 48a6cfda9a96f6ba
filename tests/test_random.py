"""Seeds, streams, and the numbers that come from them."""

import statistics

import numpy as np
import pytest
from helpers import assert_same_bits, check_same_on_isas, hashes

from minidrop import _kernels, random

GOLDEN = {
    "uniform": "204e6a90ca0276e82bacdd76cbda4d1024058fc62bdb9ba6ea820ac346d0b19e",
    "normal": "3c17d41764106a897569914e146d96c9e28396788d147290e783891d3ffed694",
    "permutation": "01a12bb1b1423ef0f3edef55dd488577a7faf5633809a86986a64133364ebd8c",
}


@pytest.fixture(autouse=True)
def rng_state():
    before = random.get_rng_state()
    yield
    random.set_rng_state(before)


# ---- the state ----


def test_same_seed_same_numbers():
    random.manual_seed(5)
    first = random.uniform(10), random.normal((2, 3)), random.uniform(10)
    random.manual_seed(5)
    again = random.uniform(10), random.normal((2, 3)), random.uniform(10)
    for a, b in zip(first, again, strict=True):
        assert_same_bits(a, b)
    assert not np.array_equal(first[0], first[2])


def test_streams_in_order():
    random.manual_seed(5)
    assert [random.address() for _ in range(3)] == [(5, 1), (5, 2), (5, 3)]
    assert random.address(8) == (8, 0)
    assert random.get_rng_state() == {"seed": 5, "streams": 3}
    third = random.uniform(4, seed=5, stream=4)
    assert_same_bits(random.uniform(4), third)


def test_state_can_be_taken_back():
    random.manual_seed(2**64 - 1)
    random.uniform(3)
    state = random.get_rng_state()
    expected = random.normal(5)
    random.manual_seed(0)
    random.set_rng_state(state)
    assert_same_bits(random.normal(5), expected)
    state["streams"] = 99
    assert random.get_rng_state()["streams"] == 2, "a copy"


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"seed": 1},
        {"seed": 1, "streams": 0, "more": 0},
        None,
        5,
        {"seed": -1, "streams": 0},
        {"seed": 0, "streams": 2**64},
        {"seed": 0.5, "streams": 0},
        {"seed": True, "streams": 0},
    ],
)
def test_bad_state_changes_nothing(state):
    before = random.get_rng_state()
    with pytest.raises((TypeError, ValueError)):
        random.set_rng_state(state)
    assert random.get_rng_state() == before


@pytest.mark.parametrize(
    "seed, error",
    [
        (-1, ValueError),
        (2**64, ValueError),
        (1.0, TypeError),
        ("1", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
)
def test_bad_seed(seed, error):
    with pytest.raises(error, match=r"seed must be.*got"):
        random.manual_seed(seed)


# ---- the numbers ----


def test_golden():
    """These hashes freeze initial weights and the order of the data."""
    assert hashes(random.uniform((30, 50), -0.1, 0.1, seed=1)) == GOLDEN["uniform"]
    assert hashes(random.normal((30, 50), seed=1, stream=2, call=3)) == GOLDEN["normal"]
    assert hashes(random.permutation(1000, 1, 2)) == GOLDEN["permutation"]


def test_isas_are_equal():
    isas = _kernels.available_isas()
    check_same_on_isas(random.uniform, 5000, -1, 1, seed=3, isas=isas)
    check_same_on_isas(random.normal, 5000, seed=3, isas=isas)
    check_same_on_isas(random.permutation, 5000, 3, isas=isas)


def test_uniform():
    u = random.uniform(100_000, seed=1)
    assert u.dtype == np.float32 and u.min() >= 0 and u.max() < 1
    assert abs(u.mean() - 0.5) < 5.33 * np.sqrt(1 / 12 / u.size)
    assert abs(u.var() - 1 / 12) < 5.33 * np.sqrt(1 / 180 / u.size)
    counts = np.histogram(u, 100, (0, 1))[0]
    assert abs(((counts - 1000) ** 2 / 1000).sum() - 99) < 5.33 * np.sqrt(2 * 99)
    assert_same_bits(random.uniform(100, -2, 2, seed=1), 4 * u[:100] - 2)


def test_normal():
    z = random.normal(200_000, seed=1).astype(np.float64)
    n = z.size
    assert abs(z.mean()) < 5.33 / np.sqrt(n)
    assert abs(z.var() - 1) < 5.33 * np.sqrt(2 / n)
    assert abs((z**3).mean()) < 5.33 * np.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 5.33 * np.sqrt(96 / n)
    assert 4 < np.abs(z).max() < 6.4
    moved = random.normal(100, 3, 0.5, seed=1)
    assert_same_bits(
        moved,
        (
            3
            + 0.5
            * random._normal_quantile(_kernels.random_words(100, 1, domain=2) * 2.0**-32 + 2.0**-33)
        ).astype(np.float32),
    )


def test_quantiles_are_those_of_the_normal_distribution():
    u = np.concatenate(
        [np.linspace(0.001, 0.999, 999), 2.0 ** -np.arange(2, 34), 1 - 2.0 ** -np.arange(2, 34)]
    )
    expected = [statistics.NormalDist().inv_cdf(v) for v in u]
    np.testing.assert_allclose(random._normal_quantile(u), expected, rtol=1e-13, atol=1e-15)


def test_log():
    x = np.concatenate([np.linspace(1e-10, 0.5, 10_001), 2.0 ** -np.arange(1.0, 34)])
    np.testing.assert_allclose(random._log(x), np.log(x), rtol=1e-15)


def test_kinds_and_addresses_share_no_bits():
    u, z = random.uniform(10_000, seed=1), random.normal(10_000, seed=1)
    assert abs(np.corrcoef(u, z)[0, 1]) < 0.0533
    for other in ({"seed": 2}, {"seed": 1, "stream": 1}, {"seed": 1, "call": 1}):
        assert abs(np.corrcoef(u, random.uniform(10_000, **other))[0, 1]) < 0.0533
    bits = np.unpackbits(_kernels.mask_bits(10_000, 0.5, 1).view(np.uint8))[:10_000]
    assert abs(np.corrcoef(u, bits)[0, 1]) < 0.0533


def test_shapes():
    assert random.uniform(3).shape == (3,) and random.uniform(()).shape == ()
    assert random.normal((2, 0, 3)).shape == (2, 0, 3) and random.normal([4, 1]).shape == (4, 1)
    for bad, error in [
        (-1, ValueError),
        ((2, -3), ValueError),
        (2.0, TypeError),
        ("3", TypeError),
        (True, TypeError),
        ((2, None), TypeError),
    ]:
        with pytest.raises(error, match="shape must"):
            random.uniform(bad)
    with pytest.raises(ValueError, match="seed must be in"):
        random.normal(3, seed=-1)


def test_permutation():
    for n in (0, 1, 2, 1000):
        order = random.permutation(n, 3, 1)
        assert order.dtype == np.int64 and sorted(order) == list(range(n))
    first, second, other = (
        random.permutation(1000, seed, epoch).tolist() for seed, epoch in [(3, 0), (3, 1), (4, 0)]
    )
    assert first != second and first != other
    assert random.permutation(1000, 3).tolist() == first
    firsts = np.array([random.permutation(10, 0, epoch)[0] for epoch in range(2000)])
    counts = np.bincount(firsts, minlength=10)
    assert ((counts - 200) ** 2 / 200).sum() < 9 + 5.33 * np.sqrt(18)
    for bad, error in [(-1, ValueError), (2.5, TypeError), ((3,), TypeError)]:
        with pytest.raises(error):
            random.permutation(bad, 0)
