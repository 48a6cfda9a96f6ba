import math
import signal

import numpy as np
import pytest
from helpers import fingerprint

import minidrop as md
from minidrop import nn, optim, train


def fit(model, optimizer, data, **options):
    options = {"epochs": 2, "batch_size": 20, "progress": False} | options
    return train.fit(model, optimizer, nn.CrossEntropyLoss(), data, **options)


def test_learns(build, blobs):
    model, optimizer = build()
    history = fit(model, optimizer, blobs, epochs=30).history
    assert history["loss"][-1] < history["loss"][0] / 2
    assert train.evaluate(model, nn.CrossEntropyLoss(), blobs)["accuracy"] > 0.9


def test_history(build, blobs):
    got = fit(*build(), blobs, validation=blobs)
    assert isinstance(got, train.History) and len(got) == 2 and got.epochs == [0, 1]
    names = ["loss", "accuracy", "val_loss", "val_accuracy", "seconds"]
    assert list(got.history) == names
    assert all(len(v) == 2 and all(type(x) is float for x in v) for v in got.history.values())
    assert all(seconds > 0 for seconds in got.history["seconds"])
    assert "2 epochs" in repr(got)
    assert list(fit(*build(), blobs, metrics=()).history) == ["loss", "seconds"]


def test_validation_is_measured_as_evaluate_does(build, blobs):
    model, optimizer = build()
    history = fit(model, optimizer, blobs, validation=(blobs[0][:7], blobs[1][:7])).history
    measured = train.evaluate(model, nn.CrossEntropyLoss(), (blobs[0][:7], blobs[1][:7]))
    assert measured == {"loss": history["val_loss"][-1], "accuracy": history["val_accuracy"][-1]}


def test_same_seed_same_bits(build, blobs):
    runs = []
    for seed in (0, 0, 1):
        model, optimizer = build(seed=seed)
        losses = fit(model, optimizer, blobs).history["loss"]
        runs.append((fingerprint(model, optimizer), losses))
    assert runs[0] == runs[1] != runs[2]


def test_seed_of_the_order(build, blobs):
    losses = [fit(*build(), blobs, seed=seed).history["loss"] for seed in (None, 0, 1)]
    assert losses[0] == losses[1] != losses[2]  # build's manual_seed is 0


def test_equals_the_loop_written_out(build, blobs):
    model, optimizer = build()
    fit(model, optimizer, blobs, seed=4)
    other, other_optimizer = build()
    loss = nn.CrossEntropyLoss()
    other.train()
    samples = md.data.batches(*blobs, 20, seed=4)
    for _ in range(2):
        for xb, yb in samples:
            other_optimizer.zero_grad()
            loss(other(md.Tensor(xb)), yb).backward()
            other_optimizer.step()
    assert fingerprint(model, optimizer) == fingerprint(other, other_optimizer)


def test_odd_tail_is_weighted_by_its_size(build, blobs):
    """With a learning rate of nothing, the mean is that of the whole data set."""
    model, _ = build()
    plain = nn.Sequential(model[0])
    optimizer = optim.SGD(plain.parameters(), lr=1e-30)
    whole = train.evaluate(plain, nn.CrossEntropyLoss(), blobs)
    for batch_size in (7, 89, 200):
        history = fit(plain, optimizer, blobs, epochs=1, batch_size=batch_size).history
        assert math.isclose(history["loss"][0], whole["loss"], rel_tol=1e-6)
        assert history["accuracy"][0] == whole["accuracy"]


def test_drop_last(build, blobs):
    sizes = []

    def spy(outputs, targets):
        sizes.append(len(targets))
        return 0.0

    fit(*build(), blobs, epochs=1, metrics=[spy], drop_last=True)
    assert sizes == [20] * 4


def test_fraction_for_validation(build, blobs):
    seen = set()

    def spy(outputs, targets):
        seen.add(len(targets))
        return 0.0

    x, y = blobs
    marked = np.column_stack([x[:, :3], np.arange(90)]).astype(np.float32)
    trained_on, validated_on = [], []

    def transform(xb):
        (trained_on if model.training else validated_on).extend(xb[:, 3].tolist())
        return xb

    model, optimizer = build()
    fit(model, optimizer, (marked, y), epochs=1, validation=0.2, metrics=[spy], transform=transform)
    assert len(trained_on) == 72 and len(validated_on) == 18
    assert sorted(trained_on + validated_on) == list(range(90))
    assert validated_on != list(range(72, 90))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, 1.5, math.nan, 0.001])
def test_fraction_out_of_range(build, blobs, fraction):
    with pytest.raises(ValueError, match="validation must be"):
        fit(*build(), blobs, validation=fraction)


@pytest.mark.parametrize("validation", [True, 1, "20%", ([[1.0] * 4], [1], [2])])
def test_validation_of_another_kind(build, blobs, validation):
    with pytest.raises(TypeError, match="validation must be"):
        fit(*build(), blobs, validation=validation)


def test_images(build):
    x = np.random.default_rng(0).integers(0, 256, (12, 3, 3), dtype=np.uint8)
    y = (np.arange(12) % 3).astype(np.uint8)
    losses = []
    for images in (x, (x / np.float32(255)).astype(np.float32)[..., None]):
        model, optimizer = build(inputs=9)
        model = nn.Sequential(nn.Flatten(), model)
        losses.append(fit(model, optimizer, (images, y)).history["loss"])
    assert losses[0] == losses[1]


def test_float64_data_and_lists(build, blobs):
    expected = fit(*build(), blobs).history["loss"]
    x, y = blobs
    assert fit(*build(), (x.astype(np.float64), y.tolist())).history["loss"] == expected


def test_modes_stay_as_they_were(build, blobs):
    for mode in (True, False):
        model, optimizer = build()
        model.train(mode)
        model[1].train(not mode)
        modes = [module.training for module in model.modules()]
        seen = []

        def spy(outputs, targets, model=model, seen=seen):
            seen.append(model.training)
            return 0.0

        fit(model, optimizer, blobs, epochs=1, batch_size=90, validation=blobs, metrics=[spy])
        assert seen == [True, False]
        assert [module.training for module in model.modules()] == modes
        with pytest.raises(ValueError):
            fit(model, optimizer, (blobs[0][:, :2], blobs[1]))
        assert [module.training for module in model.modules()] == modes


def test_no_epochs(build, blobs):
    model, optimizer = build()
    before = fingerprint(model, optimizer)
    assert fit(model, optimizer, blobs, epochs=0).history == {}
    assert fingerprint(model, optimizer) == before


def test_initial_epoch(build, blobs):
    """Two calls that count on give the same bits as one."""
    model, optimizer = build()
    fit(model, optimizer, blobs, epochs=5)
    other, other_optimizer = build()
    fit(other, other_optimizer, blobs, epochs=2)
    history = fit(other, other_optimizer, blobs, epochs=5, initial_epoch=2)
    assert history.epochs == [2, 3, 4]
    assert fingerprint(model, optimizer) == fingerprint(other, other_optimizer)


@pytest.mark.parametrize(
    "error, change",
    [
        (ValueError, {"epochs": -1}),
        (TypeError, {"epochs": 1.5}),
        (ValueError, {"batch_size": 0}),
        (TypeError, {"batch_size": "64"}),
        (ValueError, {"initial_epoch": -1}),
        (ValueError, {"metrics": ["acc"]}),
        (TypeError, {"transform": 3}),
        (ValueError, {"seed": -1}),
        (ValueError, {"data": (np.zeros((0, 4), np.float32), np.zeros(0, int))}),
        (ValueError, {"data": (np.zeros((3, 4), np.float32), np.zeros(2, int))}),
        (ValueError, {"batch_size": 91, "drop_last": True}),
        (TypeError, {"data": np.zeros((3, 4), np.float32)}),
        (ValueError, {"data": (np.array(["a"]), np.zeros(1, int))}),
        (FileNotFoundError, {"resume": "none"}),
        (ValueError, {"resume": __file__}),
    ],
)
def test_bad_arguments_change_nothing(build, blobs, error, change):
    model, optimizer = build()
    before = fingerprint(model, optimizer)
    with pytest.raises(error):
        fit(model, optimizer, **({"data": blobs} | change))
    assert fingerprint(model, optimizer) == before


def test_arguments_of_another_kind_are_named(build, blobs):
    model, optimizer = build()
    loss, options = nn.CrossEntropyLoss(), {"epochs": 1, "batch_size": 20, "progress": False}
    with pytest.raises(TypeError, match="model must be a Module, got Adam"):
        train.fit(optimizer, model, loss, blobs, **options)
    with pytest.raises(TypeError, match="optimizer must be an Optimizer, got NoneType"):
        train.fit(model, None, loss, blobs, **options)
    with pytest.raises(TypeError, match="loss must be a function .* got None"):
        train.fit(model, optimizer, None, blobs, **options)
    with pytest.raises(TypeError, match="callbacks must be a list of"):
        train.fit(model, optimizer, loss, blobs, callbacks=train.EarlyStopping(), **options)


def test_label_out_of_range_updates_nothing(build, blobs):
    model, optimizer = build()
    before = [parameter.data.copy() for parameter in model.parameters()]
    with pytest.raises(ValueError):
        fit(model, optimizer, (blobs[0], blobs[1] + 7))
    for parameter, value in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.data, value)


def test_accuracy_of_a_regression_updates_nothing(build, blobs):
    model, optimizer = build()
    before = [parameter.data.copy() for parameter in model.parameters()]
    targets = np.full((90, 3, 1), 0.5)
    with pytest.raises(ValueError, match="pass other metrics="):
        train.fit(model, optimizer, lambda outputs, targets: (outputs * outputs).mean(),
                  (blobs[0], targets), epochs=1, batch_size=9, progress=False)  # fmt: skip
    for parameter, value in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.data, value)


@pytest.mark.parametrize("step", [1, 4, 5, 8])
def test_ctrl_c_leaves_whole_steps(build, blobs, step):
    """Interrupted in the middle of a step, the run ends after it, as if it had that many steps."""
    states = []

    class Record(train.Callback):
        def on_batch_end(self, batch, logs):
            states.append(fingerprint(model, optimizer))

    model, optimizer = build()
    fit(model, optimizer, blobs, callbacks=[Record()])

    class Interrupting(nn.CrossEntropyLoss):
        calls = 0

        def __call__(self, *args):
            self.calls += 1
            if self.calls == step:
                signal.raise_signal(signal.SIGINT)
            return super().__call__(*args)

    other, other_optimizer = build()
    other.eval()
    with pytest.raises(KeyboardInterrupt):
        train.fit(
            other, other_optimizer, Interrupting(), blobs, epochs=2, batch_size=20, progress=False
        )
    assert fingerprint(other, other_optimizer) == states[step - 1]
    assert not other.training
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_progress(build, blobs, capsys):
    fit(*build(), blobs, validation=blobs, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    for part in ("epoch 1/2", "epoch 2/2", "5/5", "loss=", "val_accuracy="):
        assert part in shown.err


def test_no_progress(build, blobs, capsys):
    fit(*build(), blobs, progress=False)
    assert capsys.readouterr() == ("", "")
