import math

import numpy as np
import pytest
from helpers import fingerprint

import minidrop as md
from minidrop import nn, train


def test_same_for_every_batch_size(build, blobs):
    model, _ = build()
    x, y = blobs
    outputs = train.predict(model, x)
    assert outputs.shape == (90, 3) and outputs.dtype == np.float32
    whole = train.evaluate(model, nn.CrossEntropyLoss(), (x, y))
    assert whole["accuracy"] == (outputs.argmax(axis=1) == y).mean()
    for batch_size in (1, 7, 89, 90, 1000):
        np.testing.assert_array_equal(train.predict(model, x, batch_size), outputs)
        parts = train.evaluate(model, nn.CrossEntropyLoss(), (x, y), batch_size=batch_size)
        assert parts["accuracy"] == whole["accuracy"]
        assert math.isclose(parts["loss"], whole["loss"], rel_tol=1e-6)


def test_changes_nothing(build, blobs):
    model, optimizer = build()
    model.train()
    model[1].eval()
    modes = [module.training for module in model.modules()]
    before = fingerprint(model, optimizer)
    train.predict(model, blobs[0])
    train.evaluate(model, nn.CrossEntropyLoss(), blobs)
    assert fingerprint(model, optimizer) == before
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())


def test_modes_are_restored_after_an_error(build, blobs):
    model, _ = build()
    model.train()
    with pytest.raises(ValueError):
        train.predict(model, blobs[0][:, :2])
    assert all(module.training for module in model.modules())


def test_dropout_is_off(build, blobs):
    model, _ = build()
    model.train()
    np.testing.assert_array_equal(train.predict(model, blobs[0]), train.predict(model, blobs[0]))


def test_empty(build, blobs):
    model, _ = build()
    x, y = blobs
    assert train.predict(model, x[:0]).shape == (0, 3)
    result = train.evaluate(model, nn.CrossEntropyLoss(), (x[:0], y[:0]))
    assert set(result) == {"loss", "accuracy"} and all(map(math.isnan, result.values()))


def test_images(build):
    model, _ = build(inputs=9)
    model = nn.Sequential(nn.Flatten(), model)
    x = np.random.default_rng(0).integers(0, 256, (5, 3, 3), dtype=np.uint8)
    scaled = (x / np.float32(255)).astype(np.float32)[..., None]
    np.testing.assert_array_equal(train.predict(model, x), train.predict(model, scaled))
    flat = train.predict(model, x, transform=lambda xb: xb.astype(np.float32) / 255)
    np.testing.assert_array_equal(flat, train.predict(model, scaled))


def test_float64_data(build, blobs):
    """NumPy's default is converted to the dtype of the model."""
    model, _ = build()
    x, y = blobs
    expected = train.predict(model, x)
    np.testing.assert_array_equal(train.predict(model, x.astype(np.float64)), expected)
    train.evaluate(model, nn.CrossEntropyLoss(), (x.astype(">f8"), y.astype(np.uint8)))


def test_lists_and_tensors(build, blobs):
    model, _ = build()
    x, y = blobs
    expected = train.predict(model, x)
    np.testing.assert_array_equal(train.predict(model, x.tolist()), expected)
    np.testing.assert_array_equal(train.predict(model, md.Tensor(x)), expected)
    train.evaluate(model, nn.CrossEntropyLoss(), [x.tolist(), y.tolist()])


def test_regression(build, blobs):
    model, _ = build()
    x, _ = blobs
    targets = train.predict(model, x).astype(np.float64) + 2
    result = train.evaluate(model, nn.MSELoss(), (x, targets), metrics=())
    assert set(result) == {"loss"} and abs(result["loss"] - 4) < 1e-5


@pytest.mark.parametrize("data", [3, None, "ab", np.zeros((2, 2)), (1, 2, 3)])
def test_data_of_another_kind(build, data):
    model, _ = build()
    with pytest.raises((TypeError, ValueError), match="data"):
        train.evaluate(model, nn.CrossEntropyLoss(), data)


def test_numbers_of_samples_differ(build, blobs):
    model, _ = build()
    with pytest.raises(ValueError, match="data must have as many .* got 90 and 89"):
        train.evaluate(model, nn.CrossEntropyLoss(), (blobs[0], blobs[1][:-1]))


def test_loss_that_is_no_number(build, blobs):
    model, _ = build()
    with pytest.raises(ValueError, match=r"loss must give one number, got shape \(90, 3\)"):
        train.evaluate(model, lambda outputs, targets: outputs, blobs)


def test_arguments_of_another_kind_are_named(build, blobs):
    with pytest.raises(TypeError, match="model must be a Module, got NoneType"):
        train.predict(None, blobs[0])
    with pytest.raises(TypeError, match="model must be a Module, got ndarray"):
        train.evaluate(blobs[0], nn.CrossEntropyLoss(), blobs)
    with pytest.raises(TypeError, match="loss must be a function .* got 'mse'"):
        train.evaluate(build()[0], "mse", blobs)
