"""F.dropout: the law, the address of the mask, and the gradient by the same mask."""

import gc
import weakref

import numpy as np
import pytest
from helpers import assert_same_bits, check_same_on_isas, check_same_on_threads, normals

import minidrop.functional as F
from minidrop import _kernels, random
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor, no_grad

TRAIN = {"training": True, "seed": 7}


def tensor(shape, dtype=np.float32):
    return Tensor(normals(shape, dtype=dtype), requires_grad=True)


@pytest.fixture(autouse=True)
def rng_state():
    before = random.get_rng_state()
    yield
    random.set_rng_state(before)


# ---- the law ----


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.8])
def test_kept_are_scaled_and_dropped_are_zero(isa, p):
    x = tensor((50, 40))
    y = F.dropout(x, p, **TRAIN)
    dropped = y.data == 0
    assert_same_bits(y.data[dropped], np.zeros(dropped.sum(), np.float32))
    scale = np.float32(2**32 / round((1 - p) * 2**32))
    assert_same_bits(y.data[~dropped], x.data[~dropped] * scale)
    assert abs(dropped.mean() - p) < 5.33 * np.sqrt(p * (1 - p) / x.size)


@pytest.mark.parametrize("p, training", [(0.5, False), (0.0, True), (0, True), (1.0, False)])
def test_returns_its_input(p, training):
    x = tensor((3, 4))
    assert F.dropout(x, p, training=training) is x
    assert F.dropout(x, p, training=training, mask="recompute", seed=1) is x


def test_p_1_gives_zeros_and_a_zero_gradient(isa):
    x = Tensor(np.array([1, np.nan, -np.inf, -1], np.float32), requires_grad=True)
    y = F.dropout(x, 1.0, **TRAIN)
    y.backward(np.full(4, np.nan, np.float32))
    for got in (y.data, x.grad):
        assert_same_bits(got, np.zeros(4, np.float32))


def test_dropped_inf_and_nan_are_zero(isa):
    x = Tensor(np.full(1000, np.nan, np.float32), requires_grad=True)
    y = F.dropout(x, 0.5, **TRAIN)
    kept = np.isnan(y.data)
    assert 400 < kept.sum() < 600
    assert_same_bits(y.data[~kept], np.zeros((~kept).sum(), np.float32))
    y.backward(np.full(1000, np.inf, np.float32))
    assert_same_bits(x.grad, np.where(kept, np.float32(np.inf), np.float32(0)))


def test_mean_is_kept():
    """Over 400 masks, every element's mean is within 5.33 sigma of what came in."""
    x = np.array([1.0, -2.0, 0.5], np.float32)
    sums = sum(F.dropout(x, 0.2, training=True, seed=1, call=call).data for call in range(400))
    assert (np.abs(sums / 400 - x) < 5.33 * np.abs(x) * np.sqrt(0.2 / 0.8 / 400)).all()


def test_what_it_takes():
    x = normals((4, 5))
    assert_same_bits(F.dropout(x, 0.5, **TRAIN).data, F.dropout(Tensor(x), 0.5, **TRAIN).data)
    assert F.dropout(x.tolist(), 0.5, **TRAIN).dtype == np.float32
    assert F.dropout(x.astype(np.float64), 0.5, **TRAIN).dtype == np.float64
    assert F.dropout(np.zeros((0, 3), np.float32), 0.5, **TRAIN).shape == (0, 3)
    with pytest.raises(TypeError, match="x must be float32 or float64"):
        F.dropout(np.arange(3), 0.5, **TRAIN)


# ---- where the mask is ----


def test_the_same_address_is_the_same_mask():
    x = np.ones(1000, np.float32)
    masks = [
        F.dropout(x, 0.5, training=True, seed=seed, stream=stream, call=call).data != 0
        for seed, stream, call in [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1)]
    ]
    for i, a in enumerate(masks):
        for j, b in enumerate(masks):
            share = (a == b).mean()
            assert share == 1 if i == j else 0.4 < share < 0.6
    assert_same_bits(F.dropout(x, 0.5, training=True, seed=1).data, 2 * masks[0].astype(np.float32))


def test_no_seed_is_the_seed_of_manual_seed():
    x = np.ones(100, np.float32)
    random.manual_seed(11)
    got = F.dropout(x, 0.5, training=True, stream=2, call=3).data
    expected = F.dropout(x, 0.5, training=True, seed=11, stream=2, call=3).data
    assert_same_bits(got, expected)
    assert random.get_rng_state() == {"seed": 11, "streams": 0}, "nothing is consumed"


@pytest.mark.parametrize("p", [0.5, 0.2])
@pytest.mark.parametrize("cut", [0, 1, 3, 10])
def test_a_batch_in_slices_has_the_masks_of_the_whole(isa, p, cut):
    x = normals((10, 7, 31))
    whole = F.dropout(x, p, **TRAIN, call=5).data
    parts = [
        F.dropout(x[:cut], p, **TRAIN, call=5).data,
        F.dropout(x[cut:], p, **TRAIN, call=5, offset=cut * 7 * 31).data,
    ]
    assert_same_bits(np.concatenate(parts), whole)


def test_the_shape_does_not_matter():
    x = normals((6, 5, 4))
    flat = F.dropout(x.ravel(), 0.5, **TRAIN).data
    assert_same_bits(F.dropout(x, 0.5, **TRAIN).data.ravel(), flat)


@pytest.mark.parametrize("mask", ["bits", "recompute"])
def test_bits_on_isas_and_threads(mask):
    x = normals(200_001)

    def step(x):
        t = Tensor(x, requires_grad=True)
        y = F.dropout(t, 0.3, **TRAIN, offset=9, mask=mask)
        y.backward(x)
        return y.data, t.grad

    check_same_on_isas(step, x, isas=_kernels.available_isas())
    check_same_on_threads(step, x)


# ---- the gradient ----


@pytest.mark.parametrize("mask", ["bits", "recompute"])
@pytest.mark.parametrize("p", [0.2, 0.5, 1.0])
def test_gradcheck(p, mask):
    def fn(t):
        return F.dropout(t, p, **TRAIN, call=1, offset=3, mask=mask)

    assert gradcheck(fn, normals((5, 7), dtype=np.float64))


@pytest.mark.parametrize("mask", ["bits", "recompute"])
def test_gradient_goes_through_the_same_mask(isa, mask):
    x = tensor((33, 31))
    y = F.dropout(x, 0.3, **TRAIN, mask=mask)
    y.backward(x.data)
    assert_same_bits(x.grad, y.data)


def test_recompute_takes_the_seed_of_the_forward():
    x = tensor(100)
    random.manual_seed(3)
    y = F.dropout(x, 0.5, training=True, mask="recompute")
    random.manual_seed(4)
    y.backward(x.data)
    assert_same_bits(x.grad, y.data)


def test_the_graph_keeps_a_bit_an_element_and_not_x():
    x = tensor(32_000)
    hidden = x * 1.0
    alive = weakref.ref(hidden.data)
    y = F.dropout(hidden, 0.5, **TRAIN)
    held = [cell.cell_contents for cell in y._backward.__closure__]
    assert sum(a.nbytes for a in held if isinstance(a, np.ndarray)) == 4_000
    del hidden, held
    y.sum().backward()
    gc.collect()
    assert alive() is None


def test_no_graph():
    x = tensor(10)
    with no_grad():
        assert not F.dropout(x, 0.5, **TRAIN).requires_grad
    assert not F.dropout(x.data, 0.5, **TRAIN).requires_grad


# ---- bad input ----


def test_training_is_required():
    with pytest.raises(TypeError, match="training"):
        F.dropout(np.ones(3, np.float32), 0.5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "p, error",
    [
        (2, ValueError),
        (-0.1, ValueError),
        (256, ValueError),
        (float("nan"), ValueError),
        ("half", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
)
def test_bad_p(p, error, training):
    with pytest.raises(error, match=f"p must be .*got {p!r}"):
        F.dropout(np.ones(3, np.float32), p, training=training)


def test_bad_mask_and_address():
    x = np.ones(3, np.float32)
    with pytest.raises(ValueError, match="mask must be .*got 'bytes'"):
        F.dropout(x, 0.5, training=True, mask="bytes")
    for name in ("seed", "stream", "call"):
        with pytest.raises(ValueError, match=f"{name} must be in"):
            F.dropout(x, 0.5, training=True, **{name: -1})
        with pytest.raises(TypeError, match=f"{name} must be an int"):
            F.dropout(x, 0.5, training=True, **{name: 0.5})
    with pytest.raises(ValueError, match="offset must be in"):
        F.dropout(x, 0.5, training=True, offset=-1)
