"""predict_mc: equal to the plain loop, to the bit, and nothing is touched by it."""

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, normals

import minidrop as md
import minidrop.functional as F
from minidrop import nn, train
from minidrop.nn.dropout.base import DropoutLayer
from minidrop.train.monte_carlo import FIRST_CALL, _split


def mlp(p=0.4):
    md.manual_seed(3)
    return nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(p),
        nn.Linear(16, 16), nn.ReLU(), nn.Dropout(p), nn.Linear(16, 3),
    )  # fmt: skip


def cnn():
    md.manual_seed(3)
    features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25))
    return nn.Sequential(features, nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(8, 3))  # fmt: skip


class Residual(nn.Module):
    """Dropout in a forward of its own: it cannot be split."""

    def __init__(self):
        self.inner = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Dropout(0.3))
        self.last = nn.Linear(6, 3)

    def forward(self, x):
        return self.last(F.add(x, self.inner(x)))


def variants():
    """Dropout of weights, of blocks, by a learned rate: masks of other shapes."""
    return nn.Sequential(
        nn.DropConnect(nn.Conv2d(1, 4, 3), 0.4), nn.ReLU(), nn.DropBlock2d(0.2, 2),
        nn.Dropout2d(0.3), nn.FeatureAlphaDropout(0.2), nn.Dropout(0.2, shared_axes=(0, 1)),
        nn.DropPath(0.2), nn.Flatten(), nn.AlphaDropout(0.2), nn.GaussianDropout(0.3),
        nn.DropConnect(nn.Linear(144, 8), 0.5, per_sample=True), nn.ReLU(),
        nn.ConcreteDropout(0.3), nn.WeightDrop(nn.Linear(8, 3), "weight", 0.5),
    )  # fmt: skip


MODELS = {"mlp": (mlp, (6,)), "cnn": (cnn, (8, 8, 1)), "residual": (Residual, (6,)),
          "variants": (variants, (8, 8, 1))}  # fmt: skip


@pytest.fixture(params=MODELS)
def case(request):
    """(model, x) of each kind."""
    make, shape = MODELS[request.param]
    md.manual_seed(3)
    return make(), normals((7, *shape), seed=1)


def plain_loop(model, x, samples, seed=0):
    """The definition: sample s is the training forward 2**63 + s, everything else in eval."""
    assert FIRST_CALL == 2**63
    layers = [m for m in model.modules() if isinstance(m, DropoutLayer)]
    before = [(layer, layer.seed, layer.call) for layer in layers]
    model.eval()
    drawn = []
    for s in range(samples):
        for layer, own, _ in before:
            layer.training, layer.call, layer.seed = True, FIRST_CALL + s, own ^ seed
        with md.no_grad():
            drawn.append(F.softmax(model(md.Tensor(x))).numpy())
    for layer, seed, call in before:
        layer.seed, layer.call = seed, call
    model.train()
    return np.stack(drawn)


def test_equals_the_plain_loop(isa, case):
    model, x = case
    assert_same_bits(train.predict_mc(model, x, 5).samples, plain_loop(model, x, 5))
    assert_same_bits(train.predict_mc(model, x, 5, seed=9).samples, plain_loop(model, x, 5, 9))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 8, 20, 1000])
def test_same_for_every_batch_size(case, batch_size):
    model, x = case
    for a, b in zip(train.predict_mc(model, x, 6, batch_size), train.predict_mc(model, x, 6),
                    strict=True):  # fmt: skip
        assert_same_bits(a, b)


def test_a_longer_run_begins_with_a_shorter_one(case):
    model, x = case
    short = train.predict_mc(model, x, 4).samples
    assert_same_bits(train.predict_mc(model, x, 9).samples[:4], short)
    assert_same_bits(train.predict_mc(model, x[:3], 4).samples, short[:, :3])


def test_slices_under_sample_offset(case):
    model, x = case
    whole = train.predict_mc(model, x, 4).samples
    with md.sample_offset(5):
        assert_same_bits(train.predict_mc(model, x[5:], 4, batch_size=1).samples, whole[:, 5:])


def test_samples_and_rows_have_masks_of_their_own(case):
    model, x = case
    drawn = train.predict_mc(model, np.broadcast_to(x[:1], x.shape), 8).samples
    rows = drawn.reshape(-1, drawn.shape[-1])
    # few units live, equal masks happen; but not 7 equal rows, nor 8 equal samples
    assert len(np.unique(rows, axis=0)) > (8 if model.__class__ is nn.Sequential else 4)
    assert all(len(np.unique(part, axis=0)) > 1 for part in (*drawn, *drawn.swapaxes(0, 1)))
    other = train.predict_mc(model, x, 8, seed=1).samples
    assert not np.array_equal(other, train.predict_mc(model, x, 8).samples)


def test_a_layer_that_stands_twice_draws_twice():
    model = nn.Sequential(nn.Linear(4, 50), nn.Dropout(0.5, seed=1), nn.ReLU())
    model.append(model[1])
    x = np.ones((1, 4), np.float32)
    drawn = train.predict_mc(model, x, 20, outputs="values").samples
    positive = model[0](x).numpy()[0] > 0
    assert 0.15 < (drawn[:, 0, positive] > 0).mean() < 0.35  # 1/4, and 1/2 with one mask


def test_what_stands_before_the_first_dropout_runs_once(case):
    model, x = case
    if not isinstance(model, nn.Sequential) or isinstance(model[0], DropoutLayer):
        return
    calls = []
    layers = [m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    for layer in layers:
        layer.register_forward_hook(lambda layer, args, out: calls.append((layer, len(out))))
    train.predict_mc(model, x, 6, batch_size=len(x) * 3)
    assert [rows for layer, rows in calls if layer is layers[0]] == [7]
    assert [rows for layer, rows in calls if layer is layers[1]] == [21, 21]
    before, after = _split(model)
    assert not any(isinstance(m, DropoutLayer) for m in before.modules())
    assert isinstance(after[0], DropoutLayer)


def test_results(case):
    model, x = case
    result = train.predict_mc(model, x, 30)
    drawn = result.samples.astype(np.float64)
    assert result.samples.shape == (30, 7, 3) and result.mean.dtype == np.float32
    assert_close(drawn.sum(axis=-1), np.ones((30, 7)), scale=1e7)
    mean = drawn.mean(axis=0)
    assert_close(result.mean, mean.astype(np.float32))
    assert_close(result.std, drawn.std(axis=0).astype(np.float32))
    entropy = -(mean * np.log(mean)).sum(axis=-1)
    assert_close(result.entropy, entropy.astype(np.float32))
    expected = entropy + (drawn * np.log(drawn)).sum(axis=-1).mean(axis=0)
    assert_close(result.mutual_info, expected.astype(np.float32), scale=10)
    assert (result.mutual_info > 0).all() and (result.entropy < np.log(3) + 1e-6).all()


def test_scaling_keeps_the_mean():
    """The mean of many samples of a linear network is its prediction without dropout."""
    md.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 40), nn.Dropout(0.3), nn.Linear(40, 2))
    x = normals((4, 6), seed=2)
    result = train.predict_mc(model, x, 4000, outputs="values")
    assert result.entropy is None and result.mutual_info is None
    error = np.abs(result.mean - train.predict(model, x)) / (result.std / np.sqrt(4000))
    assert error.max() < 5.33


def state(model):
    """All that a model holds, as one comparable value."""
    kept = [{**vars(m), "training": m.training, "_planned": None} for m in model.modules()]
    arrays = {name: value.tobytes() for name, value in model.state_dict().items()}
    return arrays, model.extra_state(), kept


def test_nothing_is_touched(case):
    model, x = case
    model.train()
    next(model.children()).eval()
    model(x)
    before = state(model)
    train.predict_mc(model, x, 3)
    assert state(model) == before
    with pytest.raises(ValueError):
        train.predict_mc(model, x[:, :2], 3)
    assert state(model) == before


def test_nothing_is_touched_where_it_fails_halfway():
    model = mlp()
    model.append(nn.Linear(4, 4))  # does not fit
    before = state(model)
    with pytest.raises(ValueError):
        train.predict_mc(model, normals((4, 6)), 3)
    assert state(model) == before
    assert model[3](np.ones((2, 16), np.float32)).shape == (2, 16) and model[3].call == 1


def test_batch_norm_uses_what_it_has_learned():
    model = mlp(p=0)
    model[1].running_mean.data[...] = 5
    x = normals((4, 6))
    expected = F.softmax(model.eval()(x)).numpy()
    assert_same_bits(train.predict_mc(model.train(), x, 2).samples[1], expected)


def test_p_0_gives_equal_samples():
    result = train.predict_mc(mlp(p=0), normals((4, 6)), 6)
    assert result.samples.shape == (6, 4, 3) and (result.samples == result.samples[0]).all()
    assert (result.std < 1e-7).all() and (result.mutual_info < 1e-6).all()


@pytest.mark.parametrize("make", [mlp, Residual, lambda: mlp(p=0)])
def test_empty(make):
    result = train.predict_mc(make(), np.zeros((0, 6), np.float32), 4)
    assert [a.shape for a in result] == [(0, 3), (0, 3), (0,), (0,), (4, 0, 3)]


def test_one_output_is_a_value_unless_said():
    model = nn.Sequential(nn.Linear(6, 16), nn.Dropout(0.5), nn.Linear(16, 1))
    x = normals((4, 6))
    values = train.predict_mc(model, x, 8)
    assert values.entropy is None and values.mean.shape == (4, 1)
    logits = train.predict_mc(model, x, 8, outputs="logits")
    assert_close(logits.samples, 1 / (1 + np.exp(-values.samples)))
    p = logits.mean[:, 0].astype(np.float64)
    assert_close(logits.entropy, (-p * np.log(p) - (1 - p) * np.log(1 - p)).astype(np.float32))
    same = train.predict_mc(model.append(nn.Sigmoid()), x, 8)
    assert_same_bits(same.samples, logits.samples)
    assert_same_bits(same.entropy, logits.entropy)


def test_a_model_that_ends_in_softmax():
    model, x = mlp(), normals((4, 6))
    logits = train.predict_mc(model, x, 8)
    model.append(nn.Softmax())
    assert_same_bits(train.predict_mc(model, x, 8).samples, logits.samples)
    raw = train.predict_mc(mlp(), x, 8, outputs="values")
    assert_same_bits(F.softmax(raw.samples).numpy(), logits.samples)


def test_sequences_have_an_entropy_a_step():
    model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3))
    result = train.predict_mc(model, normals((4, 5, 6)), 6)
    assert result.entropy.shape == result.mutual_info.shape == (4, 5)


def test_images_and_float64_data():
    x = np.random.default_rng(0).integers(0, 256, (5, 8, 8), dtype=np.uint8)
    scaled = (x / np.float32(255)).astype(np.float32)[..., None]
    expected = train.predict_mc(cnn(), scaled, 3).samples
    assert_same_bits(train.predict_mc(cnn(), x, 3).samples, expected)
    assert_same_bits(train.predict_mc(cnn(), scaled.astype(np.float64), 3).samples, expected)


@pytest.mark.parametrize(
    "arguments, told",
    [
        ({"samples": 0}, "samples must be at least 1, got 0"),
        ({"samples": 2.5}, "samples must be an int, got 2.5"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"outputs": "softmax"}, "outputs must be one of .*'softmax'"),
        ({"seed": -1}, "seed must be in"),
    ],
)
def test_bad_arguments(arguments, told):
    with pytest.raises((TypeError, ValueError), match=told):
        train.predict_mc(mlp(), normals((4, 6)), **arguments)


def test_no_dropout():
    with pytest.raises(ValueError, match="model must have a dropout layer, Linear has none"):
        train.predict_mc(nn.Linear(6, 3), normals((4, 6)))
