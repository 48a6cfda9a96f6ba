import math

import numpy as np
import pytest
from helpers import assert_same_bits, check_same_on_isas, check_same_on_threads, normals

from minidrop import optim
from minidrop.tensor import Tensor

SHAPES = [(300, 70), (7,), (), (3, 3, 2, 5)]


def with_gradients(dtype=np.float32):
    params = [Tensor(np.zeros(shape, dtype), requires_grad=True) for shape in SHAPES]
    for i, p in enumerate(params):
        p.grad = np.asarray(normals(p.shape, i, dtype))
    return params


def clipped(max_norm=1.0, dtype=np.float32):
    params = with_gradients(dtype)
    norm = optim.clip_grad_norm_(params, max_norm)
    return *(p.grad for p in params), np.float64(norm)


def flat(params):
    return np.concatenate([p.grad.ravel() for p in params]).astype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("norm_type", [2, 2.0, math.inf])
def test_norm(isa, norm_type, dtype):
    params = with_gradients(dtype)
    before = flat(params)
    arrays = [p.grad for p in params]
    expected = np.linalg.norm(before, norm_type)
    norm = optim.clip_grad_norm_(params, 1.5, norm_type)
    assert isinstance(norm, float)
    np.testing.assert_allclose(norm, expected, rtol=1e-6)
    np.testing.assert_allclose(flat(params), before * 1.5 / (expected + 1e-6), rtol=1e-5)
    assert all(p.grad is a for p, a in zip(params, arrays, strict=True)), "in place"


def test_small_enough():
    params = with_gradients()
    before = [p.grad.copy() for p in params]
    for limit in (1e6, math.inf):
        optim.clip_grad_norm_(params, limit)
        for p, g in zip(params, before, strict=True):
            assert_same_bits(p.grad, g)


def test_same_bits():
    check_same_on_isas(clipped)
    check_same_on_threads(clipped)


def test_generator_single_and_none():
    params = with_gradients()
    params[1].grad = None
    expected = math.sqrt(sum(float((p.grad.astype(np.float64) ** 2).sum())
                             for p in params if p.grad is not None))  # fmt: skip
    assert optim.clip_grad_norm_((p for p in params), 1e6) == pytest.approx(expected, rel=1e-6)
    assert optim.clip_grad_norm_(params[0], 1.0) > 1
    assert np.linalg.norm(params[0].grad) == pytest.approx(1, rel=1e-4)
    assert optim.clip_grad_norm_([], 1.0) == 0.0
    assert optim.clip_grad_norm_([params[1]], 1.0, math.inf) == 0.0


def test_shared_gradient():
    """Parameters that share a gradient, or are given twice, are scaled once."""
    p, q = (Tensor(np.zeros(2, np.float32), requires_grad=True) for _ in range(2))
    p.grad = q.grad = np.float32([3, 4])
    assert optim.clip_grad_norm_([p, q, p], 1.0) == 5.0
    np.testing.assert_allclose(p.grad, [0.6, 0.8], rtol=1e-6)
    assert p.grad is q.grad


@pytest.mark.parametrize(
    "grad",
    [np.zeros((2, 3)).T + 1, np.ones((3, 2)), np.ones((3, 4), np.float32)[:, ::2], "read_only"],
    ids=["transposed", "float64", "strided", "read_only"],
)
def test_gradient_that_cannot_be_written(grad):
    """Any array of the right shape: p then gets a new one."""
    p = Tensor(np.zeros((3, 2), np.float32), requires_grad=True)
    if isinstance(grad, str):
        grad = np.ones((3, 2), np.float32)
        grad.flags.writeable = False
    p.grad = grad
    optim.clip_grad_norm_([p], 1.0)
    np.testing.assert_allclose(p.grad, np.full((3, 2), 6**-0.5), rtol=1e-5)
    assert p.grad.dtype == np.float32 and (grad == 1).all()


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_not_finite(bad):
    p = Tensor(np.zeros(3, np.float32), requires_grad=True)
    p.grad = np.float32([1, bad, 3])
    with pytest.raises(ValueError, match=f"norm of the gradients is {bad}"):
        optim.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(p.grad, np.float32([1, bad, 3]))
    assert str(optim.clip_grad_norm_([p], 1.0)) == str(bad)
    assert str(optim.clip_grad_norm_([p], 1.0, math.inf)) == "nan"


@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_bad_limit(value):
    with pytest.raises(ValueError, match="max_norm must"):
        optim.clip_grad_norm_([], value)
    with pytest.raises(ValueError, match="clip_value must"):
        optim.clip_grad_value_([], value)


def test_bad_arguments():
    with pytest.raises(ValueError, match="norm_type must be 2 or inf, got 3"):
        optim.clip_grad_norm_([], 1.0, 3)
    with pytest.raises(TypeError, match=r"parameters\[0\] must be a Tensor, got ndarray"):
        optim.clip_grad_norm_([np.ones(3)], 1.0)


def test_value():
    p = Tensor(np.zeros(5, np.float32), requires_grad=True)
    p.grad = np.float32([-9, -0.5, np.nan, 0.25, np.inf])
    kept = p.grad
    optim.clip_grad_value_([p], 0.5)
    np.testing.assert_array_equal(p.grad, np.float32([-0.5, -0.5, np.nan, 0.25, 0.5]))
    assert p.grad is kept


def test_overlapping_gradients():
    """Gradients that share a part of their memory would be scaled twice there."""
    base = np.ones(6, np.float32)
    p, q = (Tensor(np.zeros(4, np.float32), requires_grad=True) for _ in range(2))
    p.grad, q.grad = base[:4], base[2:]
    with pytest.raises(ValueError, match="share memory"):
        optim.clip_grad_norm_([p, q], 0.1)
    assert (base == 1).all()
