"""Fused neighbours: the same bits as one by one, and who is left alone."""

from functools import partial

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, normals

import minidrop as md
from minidrop import nn
from minidrop.nn.fusion import PATTERNS, Fused, plan


def conv_net():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1, bias=False), nn.ReLU(),
        nn.Flatten(), nn.Linear(54, 8), nn.ReLU(), nn.Linear(8, 3),
    )  # fmt: skip


def pooled_net(*pool):
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(*pool), nn.Flatten())


def images(n=3):
    return normals((n, 8, 8, 1), seed=1)


def run(model, x):
    """The output of a model and the gradients of all its parameters."""
    model.zero_grad()
    out = model(x)
    (out * out).sum().backward()
    return [out.data] + [p.grad for p in model.parameters()]


def types(steps):
    return [tuple(map(type, s.layers)) if isinstance(s, Fused) else type(s) for s in steps]


@pytest.mark.parametrize("n", [1, 3, 16])
def test_fused_equals_unfused(isa, n):
    model, x = conv_net(), images(n)
    fused = run(model, x)
    model.fuse = False
    for a, b in zip(fused, run(model, x), strict=True):
        assert_same_bits(a, b)


@pytest.mark.parametrize(
    "pool", [(1,), (2,), (3,), (2, 1), (4,), (2, 2, 1), ((1, 2),), ((2, 2), (2, 2), 0), ((1, 2), 2)]
)
def test_pooling_fused_equals_unfused(isa, pool):
    model, x = pooled_net(*pool), images()
    (fused, *gradients) = run(model, x)
    model.fuse = False
    (unfused, *expected) = run(model, x)
    assert_same_bits(fused, unfused)
    # the plain loops sum the gradients window by window, in another order
    same = partial(assert_close, scale=10) if isa == "reference" else assert_same_bits
    for a, b in zip(gradients, expected, strict=True):
        same(a, b)


@pytest.mark.parametrize("pool", [None, 2, 3])
@pytest.mark.parametrize("kernel", [3, 5])
def test_winograd_fused_equals_unfused(isa, kernel, pool):
    layers = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, kernel, algo="winograd"), nn.ReLU()]
    layers += [nn.MaxPool2d(pool)] if pool else []
    model, x = nn.Sequential(*layers), normals((3, 12, 13, 1))
    fused = run(model, x)
    model.fuse = False
    for a, b in zip(fused, run(model, x), strict=True):
        assert_same_bits(a, b)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", [{}, {"affine": False}, {"track_running_stats": False}])
def test_batch_norm_fused_equals_unfused(isa, training, options):
    def net():
        model = nn.Sequential(
            nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6, **options), nn.ReLU(), nn.Flatten(),
            nn.Linear(216, 8), nn.BatchNorm1d(8, **options), nn.ReLU(),
        )  # fmt: skip
        return model.train(training)

    fused, unfused = net(), net()
    unfused.load_state_dict(fused.state_dict())
    unfused.fuse = False
    for _ in range(2):  # running statistics move
        for a, b in zip(run(fused, images()), run(unfused, images()), strict=True):
            assert_same_bits(a, b)
    for name, value in fused.state_dict().items():
        assert_same_bits(value, unfused.state_dict()[name])
    assert types(plan(tuple(fused))) == [
        nn.Conv2d, (nn.BatchNorm2d, nn.ReLU), nn.Flatten, nn.Linear, (nn.BatchNorm1d, nn.ReLU),
    ]  # fmt: skip


def test_auto_fused_is_close_to_unfused():
    """Its forward is the same; behind a pooling its gradients skip zeros, and are direct ones."""
    model = nn.Sequential(nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2))
    x = normals((3, 12, 13, 16))
    fused, *gradients = run(model, x)
    model.fuse = False
    unfused, *expected = run(model, x)
    assert_same_bits(fused, unfused)
    for got, e in zip(gradients, expected, strict=True):
        assert np.abs(got - e).max() <= 1e-5 * np.abs(e).max()


def dropped_net(*pool, cin=8, **options):
    layers = [nn.Conv2d(cin, 12, 3, padding=1), nn.ReLU()]
    layers += [nn.MaxPool2d(*pool)] if pool else []
    return nn.Sequential(*layers, nn.Dropout(0.4, seed=3, **options))


def dropped_run(model, fuse):
    """As run, from the first call of its dropout on, and the calls counted."""
    model.fuse = fuse
    model[-1].call = 5
    return [*run(model, normals((3, 7, 7, model[0].in_channels), seed=1)), model[-1].call]


@pytest.mark.parametrize("pool", [(), (2,), (3,), (3, 1)])
@pytest.mark.parametrize("cin", [3, 8])
def test_dropout_fused_equals_unfused(isa, pool, cin):
    model = dropped_net(*pool, cin=cin)
    fused, unfused = dropped_run(model, True), dropped_run(model, False)
    assert fused.pop() == unfused.pop() == 6
    same = partial(assert_close, scale=10) if isa == "reference" else assert_same_bits
    for a, b in zip(fused, unfused, strict=True):
        same(a, b)


@pytest.mark.parametrize("shape", [(5, 6), (2, 3, 6), (0, 6)])
def test_dropout_behind_linear_fused_equals_unfused(isa, shape):
    model = nn.Sequential(nn.Linear(6, 37), nn.ReLU(), nn.Dropout(0.4, seed=3))
    values = []
    for model.fuse in (True, False):
        model[-1].call = 5
        values.append([*run(model, normals(shape)), model[-1].call])
    for a, b in zip(*values, strict=True):
        assert_same_bits(a, b)
    assert model[-1].call == 6


def test_dropout_in_the_same_pass():
    model = nn.Sequential(nn.Linear(6, 37), nn.ReLU(), nn.Dropout(0.4))
    assert model(normals((5, 6)))._op == "linear_relu_dropout"
    model, x = dropped_net(2), normals((3, 7, 7, 8))
    assert model(x)._op == "conv2d_relu_pool_dropout"
    assert dropped_net()(x)._op == "conv2d_relu_dropout"
    assert model.eval()(x)._op == "conv2d_relu_pool"


@pytest.mark.parametrize("options", [{"mode": "standard"}, {"shared_axes": (1, 2)}])
def test_dropout_of_other_kinds_is_called_itself(options):
    model = dropped_net(2, **options)
    assert model(normals((3, 7, 7, 8)))._op == "dropout"
    for a, b in zip(dropped_run(model, True), dropped_run(model, False), strict=True):
        assert_same_bits(a, b)


def test_dropout_with_other_masks_is_called_itself():
    model, x = dropped_net(2), normals((4, 7, 7, 8))
    with md.record_masks() as tape:
        whole = model(x)
    with md.replay_masks(tape):
        assert_same_bits(model(x), whole)
    model[3].call -= 1
    with md.sample_offset(2):
        assert_same_bits(model(x[2:]), whole.data[2:])
    model[3].p = 0.0
    assert model(x)._op == "conv2d_relu_pool"


def test_failed_fused_dropout_counts_nothing():
    model = dropped_net(2)
    with pytest.raises(ValueError):
        model(normals((3, 7, 7, 9)))
    assert model[3].call == 0


def test_dropout_of_nan_and_infinity_is_fused_with_the_same_bits():
    model, x = dropped_net(2), normals((3, 7, 7, 8))
    x[0, 3, 3], x[1, 2, 2] = np.nan, np.inf
    values = []
    for model.fuse in (True, False):
        model[3].call = 0
        values.append(model(x))
    assert_same_bits(*values)


def test_pooling_in_the_same_pass_where_windows_tile():
    assert pooled_net(2)[:3](images())._op == "conv2d_relu_pool"
    assert pooled_net(2, 1)[:3](images())._op == "max_pool2d"
    model = pooled_net(17)
    model[0].padding = (8, 8)
    assert model[:3](images())._op == "max_pool2d"  # wider than the kernel takes


def test_pooling_equals_unfused_for_nan():
    model, x = pooled_net(2), images()
    x[0, 3, 3] = np.nan
    x[1, 2, 2] = np.inf
    fused = model(x)
    model.fuse = False
    assert_same_bits(fused, model(x))


def test_pooling_larger_than_the_image():
    for fuse in (True, False):
        model = pooled_net(7)
        model.fuse = fuse
        with pytest.raises(ValueError):
            model(images())


def test_fused_equals_unfused_for_nan_inf_and_signed_zeros():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    model[0].weight.data[...] = np.eye(4)
    model[0].bias.data[...] = 0
    x = np.array([[np.nan, -0.0, 0.0, -1.0], [np.inf, 0.0, -3.0, 3.0]], np.float32)
    fused = model(x)
    model.fuse = False
    assert_same_bits(fused, model(x))
    assert np.isnan(fused.data[0]).all()  # NaN goes through: nan * 0 is NaN


def test_empty_batch():
    assert conv_net()(images(0)).shape == (0, 3)


def test_the_graph_holds_the_fused_ops():
    model = conv_net()
    assert model[:2](images())._op == "conv2d_relu"
    assert model[5:7](normals((2, 54)))._op == "linear_relu"
    model.fuse = False
    assert model(images())._op == "linear"


def test_plan_takes_each_layer_once():
    model = conv_net()
    steps = plan(tuple(model))
    assert types(steps) == [
        (nn.Conv2d, nn.ReLU), (nn.Conv2d, nn.ReLU), nn.Flatten, (nn.Linear, nn.ReLU), nn.Linear,
    ]  # fmt: skip
    relus = nn.Sequential(nn.ReLU(), nn.ReLU(), nn.Linear(2, 2))
    assert types(plan(tuple(relus))) == [nn.ReLU, nn.ReLU, nn.Linear]
    assert plan(()) == []


def test_the_longest_pattern_wins(monkeypatch):
    monkeypatch.setitem(PATTERNS, (nn.Linear, nn.ReLU, nn.Tanh), lambda x, *layers: x)
    layers = (nn.Linear(2, 2), nn.ReLU(), nn.Tanh(), nn.Linear(2, 2), nn.ReLU())
    assert types(plan(layers)) == [(nn.Linear, nn.ReLU, nn.Tanh), (nn.Linear, nn.ReLU)]


@pytest.mark.parametrize("which", [0, 1])
def test_steps_aside_for_a_hook(which):
    model, x, seen = conv_net(), images(), []
    before = model(x).data
    handle = model[which].register_forward_hook(lambda module, args, out: seen.append(out._op))
    assert_same_bits(model(x), before)
    assert seen == [["conv2d", "relu"][which]]
    handle.remove()
    assert model[:2](x)._op == "conv2d_relu"
    model(x)
    assert len(seen) == 1


def test_a_hook_on_the_model_changes_nothing():
    model, seen = conv_net()[:2], []
    model.register_forward_hook(lambda module, args, out: seen.append(out._op))
    model(images())
    assert seen == ["conv2d_relu"]


def test_steps_aside_for_a_subclass():
    class Leaky(nn.ReLU):
        def forward(self, x):
            return x * 2

    class Wide(nn.Linear):
        pass

    linear = nn.Linear(3, 3)
    x = normals((2, 3))
    assert_same_bits(nn.Sequential(linear, Leaky())(x), linear(x) * 2)
    assert types(plan((Wide(3, 3), nn.ReLU()))) == [Wide, nn.ReLU]


def test_steps_aside_for_a_forward_of_the_instance():
    model, x = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), normals((2, 3))
    model(x)
    model[1].forward = lambda x: x * 2
    assert_same_bits(model(x), model[0](x) * 2)
    del model[1].forward
    assert model(x)._op == "linear_relu"


def test_written_weights_are_seen():
    model, x = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), normals((2, 3))
    model(x)
    model[0].weight.data[...] = 0
    model[0].bias = nn.Parameter(np.full(3, 5, np.float32))
    assert (model(x).data == 5).all()
    model[0].bias = None
    assert (model(x).data == 0).all()
