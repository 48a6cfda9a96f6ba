"""convert_dropout: the same model in the other mode."""

import copy

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, normals

import minidrop as md
from minidrop import nn


def mlp(mode="inverted", p=0.3):
    md.manual_seed(4)
    return nn.Sequential(
        nn.Dropout(0.2, mode=mode), nn.Linear(6, 16), nn.ReLU(), nn.Dropout(p, mode=mode),
        nn.Linear(16, 3),
    )  # fmt: skip


def cnn(mode="inverted"):
    md.manual_seed(4)
    features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.LeakyReLU(), nn.Dropout(0.3, mode=mode))
    return nn.Sequential(features, nn.AvgPool2d(2), nn.Conv2d(4, 4, 1), nn.MaxPool2d(2),
                         nn.Dropout(0.6, mode=mode), nn.Flatten(), nn.Identity(),
                         nn.Dropout(0.1, mode=mode), nn.Linear(4, 3))  # fmt: skip


CASES = {"mlp": (mlp, (9, 6)), "cnn": (cnn, (9, 6, 6, 1))}


def other(mode):
    return "standard" if mode == "inverted" else "inverted"


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mode", ["inverted", "standard"])
def test_the_model_computes_what_it_computed(name, mode):
    make, shape = CASES[name]
    model, x = make(mode), normals(shape, seed=1)
    twin = nn.convert_dropout(copy.deepcopy(model), other(mode))
    modes = {m.mode for m in twin.modules() if isinstance(m, nn.Dropout)}
    assert modes == {other(mode)} and model[-2].mode == mode
    assert_close(twin(x).numpy(), model(x).numpy(), scale=10)  # training, by the same masks
    assert_close(twin.eval()(x).numpy(), model.eval()(x).numpy(), scale=10)
    assert twin.extra_state() == model.extra_state()
    back = nn.convert_dropout(twin, mode)
    for a, b in zip(back.parameters(), model.parameters(), strict=True):
        assert_close(a.data, b.data)


def test_eval_differs_without_the_conversion():
    model, x = mlp().eval(), normals((9, 6), seed=1)
    before = model(x).numpy()
    model[3].mode = "standard"
    assert np.abs(model(x).numpy() - before).max() > 0.01


def test_half_is_exact():
    model, x = nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 3)), normals((9, 6), seed=1)
    before = model.eval()(x).numpy()
    converted = nn.convert_dropout(model, "standard")
    assert converted is model and model[0].mode == "standard"
    assert_same_bits(model(x).numpy(), before)


def test_nothing_to_convert():
    model = nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.5))
    before = model[0].weight.data.copy()
    nn.convert_dropout(model, "inverted")
    nn.convert_dropout(model[:1], "standard")
    assert_same_bits(model[0].weight.data, before)


def test_p_0_moves_no_weight():
    model = nn.Sequential(nn.Dropout(0), nn.Linear(6, 3))
    before = model[1].weight.data.copy()
    nn.convert_dropout(model, "standard")
    assert_same_bits(model[1].weight.data, before)
    assert model[0].mode == "standard"


@pytest.mark.parametrize("between", [nn.Dropout2d, nn.DropPath, nn.Dropout])
def test_past_other_dropout(between):
    md.manual_seed(4)
    model = nn.Sequential(nn.Dropout(0.3), between(0.2), nn.Conv2d(1, 4, 3), nn.ReLU(),
                          nn.Flatten(), nn.Linear(64, 3))  # fmt: skip
    x = normals((9, 6, 6, 1), seed=1)
    twin = nn.convert_dropout(copy.deepcopy(model), "standard")
    assert_close(twin(x).numpy(), model(x).numpy(), scale=10)
    assert_close(twin.eval()(x).numpy(), model.eval()(x).numpy(), scale=10)


def test_sequentials_in_modules():
    class Net(nn.Module):
        def __init__(self):
            self.body = mlp()
            self.head = nn.Linear(3, 2)

        def forward(self, x):
            return self.head(self.body(x))

    model, x = Net(), normals((9, 6), seed=1)
    before = model.eval()(x).numpy()
    assert_close(nn.convert_dropout(model, "standard")(x).numpy(), before, scale=10)


def shared():
    linear = nn.Linear(6, 6)
    return nn.Sequential(nn.Dropout(0.3), linear, nn.ReLU(), linear)


def tied():
    model = nn.Sequential(nn.Dropout(0.3), nn.Linear(6, 6), nn.Linear(6, 6))
    model[2].weight = model[1].weight
    return model


def twice():
    dropout = nn.Dropout(0.3)
    return nn.Sequential(dropout, nn.Linear(6, 6), dropout, nn.Linear(6, 3))


class Own(nn.Module):
    def __init__(self):
        self.dropout = nn.Dropout(0.3)

    def forward(self, x):
        return self.dropout(x)


@pytest.mark.parametrize(
    "make, told",
    [
        (lambda: nn.Dropout(0.3), r"2 \(Dropout.* has no weights after it"),
        (lambda: nn.Sequential(nn.Dropout(0.3), nn.Tanh()), "Tanh.* does not let"),
        (lambda: nn.Sequential(nn.Dropout(0.3), nn.BatchNorm1d(6)), "BatchNorm1d"),
        (lambda: nn.Sequential(nn.Dropout(1.0), nn.Linear(6, 3)), "keeps nothing"),
        (shared, "shares its weights"),
        (tied, "shares its weights"),
        (twice, "more than one place"),
        (Own, r"2.dropout \(Dropout.* stands in no Sequential"),
    ],
)
def test_what_cannot_be_converted_stays(make, told):
    model = nn.Sequential(nn.Dropout(0.4), nn.Linear(6, 6), make())
    before = model.state_dict()
    with pytest.raises(ValueError, match=told):
        nn.convert_dropout(model, "standard")
    for name, value in model.state_dict().items():
        assert_same_bits(value, before[name])
    assert {m.mode for m in model.modules() if isinstance(m, nn.Dropout)} == {"inverted"}


def test_read_only_weights():
    model = nn.Sequential(nn.Dropout(0.3), nn.Linear(6, 3))
    model[1].weight.data.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        nn.convert_dropout(model, "standard")
    assert model[0].mode == "inverted"


def test_bad_mode():
    for call in (lambda: nn.convert_dropout(mlp(), "plain"), lambda: nn.Dropout(mode="plain")):
        with pytest.raises(ValueError, match="mode must be .* got 'plain'"):
            call()


def test_a_layer_alone():
    with pytest.raises(ValueError, match=r"Dropout\(p=0.5\) stands in no Sequential"):
        nn.convert_dropout(nn.Dropout(0.5), "standard")
