"""What every dropout layer promises, whatever its law.

A row of LAYERS says how to make a layer, and the shape of an input whose first axis is the batch.
Layers of more than one input, or with parameters, have tests of the same promises in
test_variants.py and in files of their own.
"""

import copy
import inspect
import pickle
import re
from typing import NamedTuple

import numpy as np
import pytest
from helpers import assert_same_bits, check_same_on_isas, check_same_on_threads, hashes, normals

import minidrop as md
from minidrop import nn, random
from minidrop.nn import dropout


class Row(NamedTuple):
    """shape: of an input. golden: the hash of what ones become, float32. drops: whether the law is
    a choice by bits, which drops even inf and NaN."""

    layer: type
    shape: tuple
    golden: str
    options: dict = {}
    drops: bool = True

    @property
    def id(self):
        return "_".join([self.layer.__name__, *map(str, self.options.values())])

    def make(self, p=0.3, seed=5):
        if self.layer is nn.GaussianNoise:
            return nn.GaussianNoise(p, seed=seed)
        return self.layer(p, **self.options, seed=seed)

    def input(self, seed=0, dtype=np.float32):
        return normals(self.shape, seed, dtype)


LAYERS = [
    Row(nn.Dropout, (6, 7, 5), "c0ed1593936f423e"),
    Row(nn.Dropout, (6, 7, 5), "c0ed1593936f423e", {"mask": "recompute"}),
    Row(nn.Dropout, (6, 7, 5), "9f6de68d7de1c5e5", {"mode": "standard"}),
    Row(nn.Dropout, (6, 7, 9), "0356cf9bcc5880b9", {"shared_axes": (1,)}),
    Row(nn.Dropout, (6, 7, 5), "e5bd3af0ce8cca36", {"shared_axes": (-1,)}),
    Row(nn.Dropout, (6, 7, 9), "0356cf9bcc5880b9", {"shared_axes": 1, "mask": "recompute"}),
    Row(nn.Dropout1d, (6, 7, 9), "0356cf9bcc5880b9"),
    Row(nn.Dropout2d, (6, 4, 5, 9), "48142b0805895eb1"),
    Row(nn.Dropout2d, (6, 4, 5, 9), "48142b0805895eb1", {"mask": "recompute"}),
    Row(nn.Dropout3d, (6, 2, 3, 4, 9), "b1f8f052930295e6"),
    Row(nn.VariationalDropout, (6, 7, 9), "0356cf9bcc5880b9"),
    Row(nn.DropPath, (40, 3, 4), "5e47254f076538b5"),
    Row(nn.AlphaDropout, (6, 7, 5), "d183f1c0b66d619a"),
    Row(nn.AlphaDropout, (6, 7, 5), "d183f1c0b66d619a", {"mask": "recompute"}),
    Row(nn.FeatureAlphaDropout, (6, 4, 5, 9), "0a1bf21814b6ef25"),
    Row(nn.GaussianDropout, (6, 7, 5), "ac5073ee5173b07a", drops=False),
    Row(nn.GaussianNoise, (6, 7, 5), "2817fffa8c1a062f", drops=False),
    Row(nn.DropBlock2d, (6, 8, 7, 5), "12f3a7ee30c9d72a", {"block_size": 3}),
]
OWN_FILES = {nn.ConcreteDropout, nn.DropConnect, nn.WeightDrop, nn.Zoneout}
RATED = [row for row in LAYERS if row.layer is not nn.GaussianNoise]
every = pytest.mark.parametrize("row", LAYERS, ids=lambda row: row.id)
rated = pytest.mark.parametrize("row", RATED, ids=lambda row: row.id)
dropping = pytest.mark.parametrize("row", [r for r in LAYERS if r.drops], ids=lambda row: row.id)


@pytest.fixture(autouse=True)
def rng_state():
    before = random.get_rng_state()
    yield
    random.set_rng_state(before)


def test_every_variant_is_here_or_has_a_file():
    assert {v.layer for v in dropout.variants()} == {row.layer for row in LAYERS} | OWN_FILES


def test_the_table_names_every_layer():
    exported = {
        value
        for value in vars(dropout).values()
        if isinstance(value, type) and issubclass(value, dropout.base.DropoutLayer)
    }
    assert exported == {v.layer for v in dropout.variants()}
    for variant in dropout.variants():
        assert all(variant), variant
        assert variant.name in dropout.table() and variant.name in dropout.__doc__


@pytest.mark.parametrize("variant", dropout.variants(), ids=lambda v: v.name)
def test_docstrings_tell_paper_law_and_errors(variant):
    text = variant.layer.__doc__
    assert {variant.paper.split()[0], variant.paper.split()[-1]} <= set(re.findall(r"\w+", text))
    assert "In training" in text or "in training" in text
    assert "ValueError" in text and re.search(r"\bx\b|[Ss]hape|states", text)


# ---- training, eval, and what counts ----


@every
def test_eval_is_identity_and_does_not_count(row):
    layer, x = row.make(), md.tensor(row.input())
    layer.eval()
    if row.options.get("mode") == "standard":
        np.testing.assert_allclose(layer(x).data, x.data * 0.7, rtol=1e-6)
    else:
        assert layer(x) is x
    assert layer.call == 0


@every
def test_train_eval_train_keeps_the_rate(row):
    layer, twin, x = row.make(), row.make(), row.input()
    before = layer.p
    layer.eval()
    layer(x)
    layer.train()
    assert layer.p == before
    assert_same_bits(layer(x).data, twin(x).data)
    assert layer.call == 1


@every
def test_calls_and_seeds_draw_other_masks(row):
    layer, x = row.make(), row.input()
    first, second = layer(x).data, layer(x).data
    other = row.make(seed=4)(x).data
    assert not np.array_equal(first, second) and not np.array_equal(first, other)


@rated
def test_p_0_returns_its_input_and_counts(row):
    layer, x = row.make(0), md.tensor(row.input())
    assert layer(x) is x and layer.call == 1
    layer.p = 0.3
    twin = row.make()
    twin.call = 1
    assert_same_bits(layer(x).data, twin(x).data)


@every
def test_a_failed_call_counts_nothing(row):
    layer = row.make()
    for bad in (np.zeros(row.shape, np.int64), "text", None):
        with pytest.raises((TypeError, ValueError)):
            layer(bad)
    assert layer.call == 0


@rated
def test_bad_p(row):
    for p, error in [
        (2, ValueError),
        (-0.1, ValueError),
        (256, ValueError),
        (float("nan"), ValueError),
        ("half", TypeError),
        (None, TypeError),
    ]:
        with pytest.raises(error, match=f"{row.layer.__name__}: p must be .*got {p!r}"):
            row.make(p)
        layer = row.make()
        before = layer.p
        with pytest.raises(error, match=f"{row.layer.__name__}: p must be .*got {p!r}"):
            layer.p = p
        assert layer.p == before


def test_a_layer_that_could_not_be_made_takes_no_stream():
    linear = nn.Linear(4, 4)
    wrapping = {nn.DropConnect: (linear,), nn.WeightDrop: (linear, "weight")}
    for variant in dropout.variants():
        layer, first = variant.layer, wrapping.get(variant.layer, ())
        before = random.get_rng_state()
        with pytest.raises(ValueError):
            layer(*first, *([-1] if layer is nn.GaussianNoise else [2]))
        if "mask" in inspect.signature(layer).parameters:
            with pytest.raises(ValueError, match="mask must be"):
                layer(*first, mask="bytes")
        assert random.get_rng_state() == before, layer


# ---- the law ----


@dropping
def test_p_1_gives_zeros(row, isa):
    x = md.Tensor(np.full(row.shape, np.nan, np.float32), requires_grad=True)
    layer = row.make(1.0)
    if "mode" in row.options:
        assert_same_bits(layer.eval()(x).data, np.zeros(row.shape, np.float32))
        layer.train()
    y = layer(x)
    y.backward(np.full(row.shape, np.inf, np.float32))
    assert_same_bits(y.data, np.zeros(row.shape, np.float32))
    assert_same_bits(x.grad, np.zeros(row.shape, np.float32))


@dropping
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_inf_and_nan_are_dropped(row, value, isa):
    ones = row.make(0.4)(np.ones(row.shape, np.float32)).data
    got = row.make(0.4)(np.full(row.shape, value, np.float32)).data
    dropped = ones == ones.min()
    assert 0 < dropped.sum() < dropped.size
    assert_same_bits(got[dropped], ones[dropped])
    assert not np.isfinite(got[~dropped]).any()


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_types(row, dtype):
    x = row.input(dtype=dtype)
    y = row.make()(x)
    assert y.shape == x.shape and y.dtype == dtype
    empty = row.make()(x[:0])
    assert empty.shape == x[:0].shape and empty.dtype == dtype
    assert_same_bits(row.make()(x.swapaxes(0, -1).copy().swapaxes(0, -1)).data, y.data)


# ---- where the mask is ----


@every
def test_golden(row, isa):
    y = row.make()(np.ones(row.shape, np.float32)).data
    if not row.drops:
        if md.isa() in ("reference", "scalar"):
            return  # no bit contract for what is no choice
    assert hashes(y)[:16] == row.golden


@every
def test_bits_on_isas_and_threads(row):
    def step(x):
        t = md.Tensor(x, requires_grad=True)
        y = row.make()(t)
        y.backward(x)
        return y.data, t.grad

    x = np.concatenate([row.input()] * (1 + 200_000 // row.input().size))
    check_same_on_isas(step, x)
    check_same_on_threads(step, x, counts=range(1, 9))


@every
@pytest.mark.parametrize("cut", [0, 1, 4])
def test_a_batch_in_slices(row, cut):
    x, layer = row.input(), row.make()
    whole, layer.call = layer(x).data, 0
    first, layer.call = layer(x[:cut]).data, 0
    with md.sample_offset(cut):
        second = layer(x[cut:]).data
    assert_same_bits(np.concatenate([first, second]), whole)


@every
def test_mask_shape_is_that_of_what_differs(row):
    """Along an axis where the mask has size 1, and x has not, one decision is shared."""
    y = row.make()(np.ones(row.shape, np.float32)).data
    shape = row.make().mask_shape(np.empty(row.shape))
    assert len(shape) == y.ndim
    for axis, size in enumerate(shape):
        first = y.take([0], axis)
        assert np.array_equal(y, np.broadcast_to(first, y.shape)) == (size < y.shape[axis])


# ---- backward ----


@every
def test_gradcheck(row):
    layer = row.make()

    def fn(t):
        layer.call = 3
        return layer(t)

    assert md.gradcheck(fn, row.input(dtype=np.float64)[:4])


@every
def test_backward_has_the_mask_of_the_forward(row, isa):
    """A later call, and another seed of manual_seed, change nothing."""
    layer = row.make()
    x = md.Tensor(row.input(), requires_grad=True)
    y = layer(x)
    layer(x)
    random.manual_seed(77)
    y.backward(np.ones(row.shape, np.float32))
    if row.layer is nn.GaussianNoise:
        assert_same_bits(x.grad, np.ones(row.shape, np.float32))
        return
    shift = row.make()(np.zeros(row.shape, np.float32)).data
    np.testing.assert_allclose(y.data - shift, x.grad * x.data, rtol=1e-4, atol=1e-5)


# ---- state ----


@every
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_go_on_from_the_same_call(row, copied):
    layer, x = row.make(), row.input()
    layer(x)
    twin = copied(layer)
    assert_same_bits(twin(x).data, layer(x).data)
    assert twin.call == layer.call == 2 and repr(twin) == repr(layer)


@every
def test_checkpoint(row, tmp_path):
    x = row.input()
    model, other = nn.Sequential(row.make()), nn.Sequential(row.make(seed=9))
    model(x)
    md.save(tmp_path / "m.safetensors", model)
    expected = model(x).data
    md.load(tmp_path / "m.safetensors", other)
    assert_same_bits(other(x).data, expected)


@every
def test_tape(row):
    layer, x = row.make(), row.input()
    with md.record_masks() as tape:
        first = layer(x).data
    with md.replay_masks(tape):
        again = layer(x).data
    assert_same_bits(again, first)
    assert layer.call == 1
