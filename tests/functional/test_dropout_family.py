"""The functions of the dropout family: laws, mask shapes, addresses, gradients and errors. What all
layers share is in tests/nn/dropout/test_contract.py."""

import numpy as np
import pytest
from helpers import assert_same_bits, normals

import minidrop as md
import minidrop.functional as F
from minidrop import random

TRAIN = {"training": True, "seed": 7}
ALPHA = -1.0507009873554805 * 1.6732632423543772
# function, shape that it takes
FUNCTIONS = {
    F.dropout: (3, 4, 5), F.dropout1d: (3, 4, 5), F.dropout2d: (3, 4, 5, 6),
    F.dropout3d: (3, 2, 4, 5, 6), F.variational_dropout: (3, 4, 5), F.drop_path: (9, 4),
    F.alpha_dropout: (3, 4, 5), F.feature_alpha_dropout: (3, 4, 5, 6),
    F.gaussian_dropout: (3, 4, 5), F.gaussian_noise: (3, 4, 5),
}  # fmt: skip
every = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
MASKED = [f for f in FUNCTIONS if f not in (F.gaussian_dropout, F.gaussian_noise)]
masked = pytest.mark.parametrize("function", MASKED, ids=lambda f: f.__name__)


@pytest.fixture(autouse=True)
def rng_state():
    before = random.get_rng_state()
    yield
    random.set_rng_state(before)


# ---- what all of them do ----


@every
def test_training_is_required(function):
    with pytest.raises(TypeError, match="training"):
        function(np.ones(FUNCTIONS[function], np.float32), 0.5)


@every
def test_returns_its_input(function):
    x = md.tensor(normals(FUNCTIONS[function]))
    assert function(x, 0.5, training=False) is x
    assert function(x, 0, training=True) is x


@every
def test_no_seed_is_the_seed_of_manual_seed(function):
    x = normals(FUNCTIONS[function])
    random.manual_seed(7)
    got = function(x, 0.5, training=True, stream=2, call=3).data
    assert_same_bits(got, function(x, 0.5, **TRAIN, stream=2, call=3).data)
    assert random.get_rng_state() == {"seed": 7, "streams": 0}, "nothing is consumed"


@every
def test_graph_and_lists(function):
    x = normals(FUNCTIONS[function])
    assert not function(x, 0.5, **TRAIN).requires_grad
    assert_same_bits(function(x.tolist(), 0.5, **TRAIN).data, function(x, 0.5, **TRAIN).data)


@every
def test_bad_address(function):
    x = np.ones(FUNCTIONS[function], np.float32)
    for name in ("seed", "stream", "call", "offset"):
        with pytest.raises(ValueError, match=f"{name} must be in"):
            function(x, 0.5, training=True, **{name: -1})


@masked
@pytest.mark.parametrize(
    "p, error",
    [
        (2, ValueError),
        (-0.1, ValueError),
        (256, ValueError),
        (float("nan"), ValueError),
        ("half", TypeError),
    ],
)
def test_bad_p_and_mask(function, p, error):
    x = np.ones(FUNCTIONS[function], np.float32)
    for training in (True, False):
        with pytest.raises(error, match=f"p must be .*got {p!r}"):
            function(x, p, training=training)
    with pytest.raises(ValueError, match="mask must be .*got 'bytes'"):
        function(x, 0.5, training=True, mask="bytes")


@masked
def test_stored_equals_recomputed(function, isa):
    x = normals(FUNCTIONS[function])
    grads = []
    for mask in ("bits", "recompute"):
        t = md.Tensor(x, requires_grad=True)
        y = function(t, 0.4, **TRAIN, mask=mask)
        y.backward(x)
        grads += [y.data, t.grad]
    assert_same_bits(grads[0], grads[2])
    assert_same_bits(grads[1], grads[3])


# ---- the standard mode ----


def test_modes_have_the_same_masks_and_the_same_mean():
    x = normals((50, 40))
    inverted = F.dropout(x, 0.2, **TRAIN).data
    standard = F.dropout(x, 0.2, **TRAIN, mode="standard").data
    assert_same_bits(standard, np.where(inverted == 0, np.float32(0), x))
    keep = round(0.8 * 2**32) / 2**32
    test = F.dropout(x, 0.2, training=False, mode="standard").data
    assert_same_bits(test, x * np.float32(keep))
    np.testing.assert_allclose(inverted * keep, standard, rtol=1e-6)


def test_eval_of_the_standard_mode_with_p_1():
    x = np.array([1, np.inf, np.nan], np.float32)
    y = F.dropout(x, 1, training=False, mode="standard")
    assert_same_bits(y.data, np.zeros(3, np.float32))


def test_mean_of_training_is_eval():
    x = np.array([1.0, -2.0, 0.5], np.float32)
    sums = sum(
        F.dropout(x, 0.2, training=True, mode="standard", seed=1, call=call).data
        for call in range(400)
    )
    expected = F.dropout(x, 0.2, training=False, mode="standard").data
    assert (np.abs(sums / 400 - expected) < 5.33 * np.abs(x) * np.sqrt(0.2 * 0.8 / 400)).all()


# ---- mask shapes ----


@pytest.mark.parametrize("axes", [0, 1, -1, (0, 2), (-1, -3), (0, 1, 2), [1]])
def test_shared_axes(isa, axes):
    """The mask is that of a tensor that has size 1 along these axes."""
    x = normals((6, 7, 8))
    small = np.ones([1 if i in np.atleast_1d(axes) % 3 else n for i, n in enumerate(x.shape)],
                    np.float32)  # fmt: skip
    mask = F.dropout(small, 0.4, **TRAIN).data
    assert_same_bits(
        F.dropout(x, 0.4, **TRAIN, shared_axes=axes).data,
        np.where(mask == 0, np.float32(0), x * mask),
    )


@pytest.mark.parametrize("function, axes", [
    (F.dropout1d, (1,)), (F.dropout2d, (1, 2)), (F.dropout3d, (1, 2, 3)),
    (F.variational_dropout, (1,)), (F.drop_path, (1,)), (F.alpha_dropout, ()),
    (F.feature_alpha_dropout, (1, 2)),
])  # fmt: skip
def test_masks_are_those_of_dropout_with_shared_axes(function, axes):
    x = np.ones(FUNCTIONS[function], np.float32)
    kept = F.dropout(x, 0.4, **TRAIN, shared_axes=axes).data != 0
    y = function(x, 0.4, **TRAIN).data
    assert (kept == (y == y.max())).all() and 0 < kept.sum() < kept.size


def test_the_graph_keeps_a_bit_a_channel():
    x = md.Tensor(normals((8, 10, 10, 64)), requires_grad=True)
    y = F.dropout2d(x, 0.5, **TRAIN)
    held = [cell.cell_contents for cell in y._backward.__closure__]
    assert sum(a.nbytes for a in held if isinstance(a, np.ndarray)) == 8 * 64 / 8


def test_offset_counts_elements_of_the_mask():
    x = normals((6, 4, 5, 9))
    whole = F.dropout2d(x, 0.4, **TRAIN).data
    assert_same_bits(F.dropout2d(x[2:], 0.4, **TRAIN, offset=2 * 9).data, whole[2:])


@pytest.mark.parametrize("function, shape, other", [
    (F.dropout1d, (3, 4, 5, 6), "dropout2d takes"), (F.dropout2d, (3, 4, 5), "dropout1d takes"),
    (F.dropout2d, (3, 4, 5, 6, 7), "dropout3d takes"), (F.dropout3d, (3, 4), "got shape"),
    (F.variational_dropout, (3, 4), "batch, time, features"),
    (F.feature_alpha_dropout, (3, 4), "alpha_dropout takes any"), (F.drop_path, (), "got shape"),
])  # fmt: skip
def test_rank_errors_name_what_fits(function, shape, other):
    for training in (True, False):
        with pytest.raises(ValueError, match=rf"{function.__name__}: x must be .*{other}"):
            function(np.ones(shape, np.float32), 0.5, training=training)


@pytest.mark.parametrize(
    "axes, error",
    [
        (3, ValueError),
        (-4, ValueError),
        ((0, 0), ValueError),
        ((0, -3), ValueError),
        (0.5, TypeError),
        (True, TypeError),
        ("0", TypeError),
    ],
)
def test_bad_shared_axes_and_mode(axes, error):
    with pytest.raises(error, match="shared_axes"):
        F.dropout(np.ones((2, 3, 4), np.float32), 0.5, training=True, shared_axes=axes)
    with pytest.raises(ValueError, match="mode must be .*got 'reverse'"):
        F.dropout(np.ones(3, np.float32), 0.5, training=True, mode="reverse")


# ---- the laws ----


@pytest.mark.parametrize("p", [0.05, 0.2, 0.5, 0.9])
def test_alpha_dropout_is_the_formula_of_the_paper(p):
    x = normals((200, 100))
    dropped = F.dropout(np.ones_like(x), p, **TRAIN).data == 0
    q = 1 - p
    a = (q + ALPHA**2 * q * (1 - q)) ** -0.5
    b = -a * (1 - q) * ALPHA
    expected = a * np.where(dropped, ALPHA, x.astype(np.float64)) + b
    got = F.alpha_dropout(x, p, **TRAIN).data
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    assert abs(got.mean()) < 0.03 and abs(got.var() - 1) < 0.06


def test_selu_and_alpha_dropout_keep_mean_and_variance():
    """Ten layers of 1024 SELU units with LeCun-normal weights: mean 0 and variance 1 stay, within
    1 % of the unit variance, behind every layer."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((256, 1024)).astype(np.float32)
    means, variances = [], []
    for layer in range(10):
        w = (rng.standard_normal((1024, 1024)) / 32).astype(np.float32)
        x = F.alpha_dropout(F.selu(F.linear(x, w)), 0.1, **TRAIN, stream=layer).data
        means.append(x.mean(dtype=np.float64))
        variances.append(x.var(dtype=np.float64))
    assert np.abs(means).max() < 0.01, means
    assert np.abs(np.subtract(variances, 1)).max() < 0.01, variances
    plain = F.dropout(np.ones((256, 1024), np.float32), 0.1, **TRAIN)
    assert plain.data.var() > 0.1, "what alpha dropout avoids"


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_gaussian_dropout_has_the_variance_of_dropout(p):
    n = 2**18
    y = F.gaussian_dropout(np.ones(n, np.float32), p, **TRAIN).data.astype(np.float64)
    variance = p / (1 - p)
    assert abs(y.mean() - 1) < 5.33 * np.sqrt(variance / n)
    assert abs(y.var() - variance) < 5.33 * variance * np.sqrt(2 / n)


def test_gaussian_noise_adds():
    x = normals(2**18)
    noise = F.gaussian_noise(x, 0.5, **TRAIN).data - x
    assert abs(noise.mean()) < 5.33 * 0.5 / 2**9
    assert abs(noise.std() - 0.5) < 0.01
    assert abs(np.corrcoef(noise, x)[0, 1]) < 5.33 / 2**9


@pytest.mark.parametrize(
    "p, error",
    [
        (1, ValueError),
        (1 - 2**-40, ValueError),
        (2, ValueError),
        ("half", TypeError),
        (float("nan"), ValueError),
    ],
)
def test_bad_p_of_gaussian_dropout(p, error):
    with pytest.raises(error, match=f"p must be .*got {p!r}"):
        F.gaussian_dropout(np.ones(3, np.float32), p, training=True)


@pytest.mark.parametrize(
    "std, error",
    [
        (-1, ValueError),
        (float("inf"), ValueError),
        (float("nan"), ValueError),
        ("a", TypeError),
        (True, TypeError),
        (None, TypeError),
    ],
)
def test_bad_std(std, error):
    with pytest.raises(error, match=f"std must be .*got {std!r}"):
        F.gaussian_noise(np.ones(3, np.float32), std, training=True)
    with pytest.raises(error, match=f"GaussianNoise: std must be .*got {std!r}"):
        md.nn.GaussianNoise(std)


# ---- gradients: no two elements share a gradient unless they share a bit ----


@masked
@pytest.mark.parametrize("p", [0.3, 1.0])
def test_gradcheck(function, p):
    x = normals(FUNCTIONS[function], dtype=np.float64)
    assert md.gradcheck(lambda t: function(t, p, **TRAIN, call=1), x)


@pytest.mark.parametrize("function", [F.gaussian_dropout, F.gaussian_noise])
def test_gradcheck_of_noise(function):
    x = normals((5, 60), dtype=np.float64)
    assert md.gradcheck(lambda t: function(t, 0.3, **TRAIN, call=1, offset=3), x)


def test_gradcheck_of_the_standard_mode():
    x = normals((5, 6), dtype=np.float64)
    for training in (True, False):
        options = {"training": training, "mode": "standard", "shared_axes": 0, "seed": 7}
        assert md.gradcheck(lambda t, options=options: F.dropout(t, 0.3, **options), x)
