"""Each optimizer against its formula, written out in NumPy, over several steps."""

import numpy as np
import pytest
from helpers import assert_close, normals

from minidrop import optim
from minidrop.tensor import Tensor

SHAPES = [(5, 3), (3,), (2, 2, 3, 4), ()]
STEPS = 7


def sgd(p, g, s, t, lr, momentum=0, nesterov=False):
    s["v"] = momentum * s.get("v", 0) + g
    return p - lr * (g + momentum * s["v"] if nesterov else s["v"])


def adam(p, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g * g
    m, v = s["m"] / (1 - betas[0] ** t), s["v"] / (1 - betas[1] ** t)
    return p - lr * m / (np.sqrt(v) + eps)


def adamw(p, g, s, t, lr=1e-3, decay=1e-2, **options):
    return adam(p - lr * decay * p, g, s, t, lr, **options)


def rmsprop(p, g, s, t, lr=1e-2, alpha=0.99, eps=1e-8, momentum=0, centered=False):
    s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g * g
    s["m"] = alpha * s.get("m", 0) + (1 - alpha) * g
    variance = s["v"] - s["m"] ** 2 if centered else s["v"]
    s["b"] = momentum * s.get("b", 0) + g / (np.sqrt(variance) + eps)
    return p - lr * s["b"]


def adagrad(p, g, s, t, lr=1e-2, lr_decay=0, initial_accumulator_value=0, eps=1e-10):
    s["s"] = s.get("s", initial_accumulator_value) + g * g
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["s"]) + eps)


def adadelta(p, g, s, t, lr=1.0, rho=0.9, eps=1e-6):
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g * g
    u = np.sqrt(s.get("a", 0) + eps) / np.sqrt(s["v"] + eps) * g
    s["a"] = rho * s.get("a", 0) + (1 - rho) * u * u
    return p - lr * u


CASES = {
    "sgd": (optim.SGD, sgd, {"lr": 0.1}),
    "sgd_momentum": (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
    "sgd_nesterov": (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "adam": (optim.Adam, adam, {}),
    "adam_options": (optim.Adam, adam, {"lr": 0.1, "betas": (0.0, 0.5), "eps": 0.1}),
    "adamw": (optim.AdamW, adamw, {}),
    "rmsprop": (optim.RMSprop, rmsprop, {}),
    "rmsprop_momentum": (optim.RMSprop, rmsprop, {"momentum": 0.5, "alpha": 0.8}),
    "rmsprop_centered": (optim.RMSprop, rmsprop, {"centered": True, "eps": 0.1}),
    "rmsprop_both": (optim.RMSprop, rmsprop, {"centered": True, "momentum": 0.5, "eps": 0.1}),
    "adagrad": (optim.Adagrad, adagrad, {}),
    "adagrad_options": (
        optim.Adagrad,
        adagrad,
        {"lr_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 0.1},
    ),
    "adadelta": (optim.Adadelta, adadelta, {}),
    "adadelta_options": (optim.Adadelta, adadelta, {"lr": 0.5, "rho": 0.5, "eps": 1e-3}),
}


def parameters(dtype=np.float32):
    values = [normals(shape, i, dtype) for i, shape in enumerate(SHAPES)]
    return [Tensor(value, requires_grad=True) for value in values]


def gradient(p, i, step):
    return normals(p.shape, 1000 * step + i, p.dtype)


def expected(law, options, change=lambda p, g: g, after=lambda p: p):
    """The parameters after STEPS steps of law; `change` gives the gradient that it sees."""
    found = []
    for i, p in enumerate(parameters(np.float64)):
        value, state = p.data, {}
        for step in range(1, STEPS + 1):
            g = change(value, gradient(Tensor(p.data.astype(np.float64)), i, step))
            value = after(law(value, g, state, step, **options))
        found.append(value)
    return found


def run(optimizer_class, options, dtype):
    params = parameters(dtype)
    optimizer = optimizer_class(params, **options)
    for step in range(1, STEPS + 1):
        for i, p in enumerate(params):
            p.grad = gradient(p, i, step)
        optimizer.step()
    return [p.data for p in params]


def check(got, expected):
    for a, b in zip(got, expected, strict=True):
        assert_close(a, np.asarray(b), scale=5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
def test_law(case, dtype):
    optimizer, law, options = CASES[case]
    check(run(optimizer, options, dtype), expected(law, options))


@pytest.mark.parametrize("case", CASES)
def test_penalties(case):
    """weight_decay, l1 and l2 change the gradient; but weight_decay of AdamW does not."""
    optimizer, law, options = CASES[case]
    decay = 0.3

    def change(p, g):
        coupled = 0 if optimizer is optim.AdamW else decay * p
        return g + coupled + 0.2 * np.sign(p) + 2 * 0.1 * p

    law_options = options | ({"decay": decay} if optimizer is optim.AdamW else {})
    got = run(optimizer, options | {"weight_decay": decay, "l1": 0.2, "l2": 0.1}, np.float64)
    check(got, expected(law, law_options, change))


@pytest.mark.parametrize("case", CASES)
def test_max_norm(case):
    optimizer, law, options = CASES[case]

    def after(p):
        if p.ndim < 2:
            return p
        norms = np.sqrt((p * p).sum(axis=tuple(range(p.ndim - 1))))
        return p * np.minimum(1, 0.7 / norms)

    check(run(optimizer, options | {"max_norm": 0.7}, np.float64),
          expected(law, options, after=after))  # fmt: skip


def test_l1_at_zero():
    """sign(0) is 0: a weight that stands at 0 without a gradient stays there."""
    p = Tensor(np.float32([0.0, -0.0, 1.0, -1.0]), requires_grad=True)
    p.grad = np.zeros(4, np.float32)
    optim.SGD([p], lr=0.5, l1=1.0).step()
    np.testing.assert_array_equal(p.data, [0, 0, 0.5, -0.5])


def test_weight_decay_is_twice_l2():
    start = normals((4, 3))
    found = []
    for options in ({"weight_decay": 0.2}, {"l2": 0.1}):
        p = Tensor(start.copy(), requires_grad=True)
        p.grad = normals((4, 3), 1)
        optim.SGD([p], lr=0.1, **options).step()
        found.append(p.data)
    np.testing.assert_array_equal(*found)
