"""What single variants do beyond the contract."""

import numpy as np
import pytest
from helpers import assert_same_bits, normals

import minidrop as md
import minidrop.functional as F
from minidrop import nn


def test_keras_names_are_the_same_classes():
    for rank in (1, 2, 3):
        assert getattr(nn, f"SpatialDropout{rank}d") is getattr(nn, f"Dropout{rank}d")


@pytest.mark.parametrize("layer, shape, message", [
    (nn.Dropout2d, (3, 4, 5), r"Dropout2d: x must be \(n, height, width, channels\).*Dropout1d"),
    (nn.Dropout1d, (3, 4, 5, 6), r"Dropout1d: x must be .*; Dropout2d takes"),
    (nn.Dropout1d, (3, 4), r"Dropout1d: x must be \(n, length, channels\), got shape \(3, 4\)$"),
    (nn.Dropout3d, (3, 4, 5, 6), r"Dropout3d: x must be .*; Dropout2d takes"),
    (nn.VariationalDropout, (3, 4), "batch, time, features"),
    (nn.FeatureAlphaDropout, (3, 4), "FeatureAlphaDropout: x must be .*AlphaDropout takes any"),
    (nn.DropPath, (), "got shape"),
])  # fmt: skip
def test_a_wrong_rank_names_the_right_class(layer, shape, message):
    module = layer(0.5)
    for mode in (True, False):
        module.train(mode)
        with pytest.raises(ValueError, match=message):
            module(np.ones(shape, np.float32))
    assert module.call == 0


def test_variational_dropout_shares_over_time():
    y = nn.VariationalDropout(0.5, seed=1)(np.ones((4, 10, 20), np.float32)).data
    assert (y == y[:, :1]).all() and not (y[0] == y[1]).all()


@pytest.mark.parametrize("weights, between, shape", [
    (lambda: nn.Linear(1024, 1024, bias=False), nn.AlphaDropout, (256, 1024)),
    (lambda: nn.Conv2d(512, 512, 1, bias=False), nn.FeatureAlphaDropout, (512, 2, 2, 512)),
])  # fmt: skip
def test_ten_layers_of_selu_keep_mean_and_variance(weights, between, shape):
    """Within 1 % behind each of them, with LeCun-normal weights; dropout that makes zeros does
    not."""
    md.manual_seed(1)
    x = plain = normals(shape)
    with md.no_grad():
        for _ in range(10):
            layer = weights()
            nn.init.lecun_normal_(layer.weight)
            x = nn.Sequential(layer, nn.SELU(), between(0.1))(x).data
            plain = nn.Sequential(layer, nn.SELU(), nn.Dropout(0.1))(plain).data
            assert abs(x.mean(dtype=np.float64)) < 0.01
            assert abs(x.var(dtype=np.float64) - 1) < 0.01
    assert abs(plain.var(dtype=np.float64) - 1) > 0.1


def test_drop_path_drops_samples():
    y = nn.DropPath(0.25, seed=1)(np.ones((400, 3, 2), np.float32)).data
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert (y == y[:, :1, :1]).all() and 60 < (y[:, 0, 0] == 0).sum() < 140


def test_rates_of_drop_path():
    assert nn.DropPath.rates(0.5, 5) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert nn.DropPath.rates(0, 2) == [0, 0] and nn.DropPath.rates(0.5, 0) == []
    with pytest.raises(ValueError, match="DropPath.rates: p must be"):
        nn.DropPath.rates(2, 3)
    with pytest.raises(ValueError, match="DropPath.rates: depth must be at least 0"):
        nn.DropPath.rates(0.5, -1)


def test_a_mask_that_samples_share_is_the_same_in_slices():
    x, layer = np.ones((6, 50), np.float32), nn.Dropout(0.5, shared_axes=0, seed=1)
    whole, layer.call = layer(x).data, 0
    with md.sample_offset(2):
        assert_same_bits(layer(x[2:]).data, whole[2:])


def test_the_mode_may_be_set():
    layer, x = nn.Dropout(0.25, mode="standard", seed=1), normals((5, 5))
    assert_same_bits(layer(x).data, F.dropout(x, 0.25, training=True, seed=1, mode="standard").data)
    layer.eval()
    assert_same_bits(layer(x).data, x * np.float32(0.75))
    layer.mode = "inverted"
    assert_same_bits(layer(x).data, x)


def test_bad_arguments():
    with pytest.raises(ValueError, match="mode must be .*got 'test'"):
        nn.Dropout(mode="test")
    with pytest.raises(ValueError, match="shared_axes must name each axis once"):
        nn.Dropout(shared_axes=(1, 1))
    with pytest.raises(TypeError, match="shared_axes must be an int"):
        nn.Dropout(shared_axes=(0.5,))
    with pytest.raises(ValueError, match="shared_axes must be axes of an input of 2 dim"):
        nn.Dropout(shared_axes=2)(np.ones((3, 4), np.float32))
    with pytest.raises(ValueError, match="GaussianDropout: p must be below 1"):
        nn.GaussianDropout(1.0)
    with pytest.raises(AttributeError):
        nn.GaussianNoise(0.1).p = 0.5


def test_repr():
    assert repr(nn.Dropout(0.25, mode="standard", shared_axes=(0, -1))) == (
        "Dropout(p=0.25, mode='standard', shared_axes=(0, -1))"
    )
    assert repr(nn.GaussianNoise(0.1)) == "GaussianNoise(std=0.1)"
    assert repr(nn.SpatialDropout2d(0.1)) == "Dropout2d(p=0.1)"


def test_a_rate_schedule_leaves_noise_alone():
    model = nn.Sequential(nn.GaussianNoise(0.1), nn.Linear(4, 4), nn.Dropout2d(0.5))
    schedule = md.train.RateSchedule.linear(0.0, 0.4, 10)
    assert schedule._chosen(model) == [model[2]]
