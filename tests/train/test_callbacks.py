import csv
import math
import types

import numpy as np
import pytest
from helpers import fingerprint

import minidrop as md
from minidrop import nn, optim, train


def fit(model, optimizer, data, **options):
    options = {"epochs": 3, "batch_size": 20, "progress": False} | options
    return train.fit(model, optimizer, nn.CrossEntropyLoss(), data, **options)


class Recorder(train.Callback):
    def __init__(self):
        self.calls = []

    def on_train_begin(self):
        self.calls.append("train begin")

    def on_train_end(self):
        self.calls.append("train end")

    def on_epoch_begin(self, epoch):
        self.calls.append(f"epoch {epoch}")

    def on_epoch_end(self, epoch, logs):
        self.calls.append(f"end {epoch}")

    def on_batch_end(self, batch, logs):
        self.calls.append(batch)


def test_order_of_calls(build, blobs):
    recorder = Recorder()
    fit(*build(), blobs, epochs=2, batch_size=45, callbacks=[recorder])
    epochs = [["epoch 0", 0, 1, "end 0"], ["epoch 1", 0, 1, "end 1"]]
    assert recorder.calls == ["train begin", *epochs[0], *epochs[1], "train end"]


def test_logs(build, blobs):
    seen = {"batch": [], "epoch": []}

    class Logs(train.Callback):
        def on_batch_end(self, batch, logs):
            seen["batch"].append(logs)

        def on_epoch_end(self, epoch, logs):
            seen["epoch"].append(dict(logs))
            logs.clear()  # a dictionary of its own

    history = fit(*build(), blobs, validation=blobs, callbacks=[Logs(), train.Callback()]).history
    assert all(set(logs) == {"loss", "accuracy"} for logs in seen["batch"])
    for epoch, logs in enumerate(seen["epoch"]):
        assert logs == {name: values[epoch] for name, values in history.items()}
        assert logs["loss"] == seen["batch"][5 * epoch + 4]["loss"]


@pytest.mark.parametrize("moment", ["batch", "epoch"])
def test_stop_training(build, blobs, moment):
    class Stop(train.Callback):
        def on_batch_end(self, batch, logs):
            if moment == "batch" and self.run.global_step == 7:
                self.run.stop_training = True

        def on_epoch_end(self, epoch, logs):
            if moment == "epoch" and epoch == 1:
                self.run.stop_training = True

    recorder = Recorder()
    history = fit(*build(), blobs, epochs=9, callbacks=[Stop(), recorder])
    assert len(history) == 2
    assert recorder.calls[-2:] == ["end 1", "train end"]
    assert recorder.calls.count(4) == (1 if moment == "batch" else 2)


def test_callback_of_another_kind(build, blobs):
    model, optimizer = build()
    before = fingerprint(model, optimizer)
    for callbacks in ([print], [train.EarlyStopping], 3):
        with pytest.raises(TypeError):
            fit(model, optimizer, blobs, callbacks=callbacks)
    assert fingerprint(model, optimizer) == before


def stopping(values, monitor="val_loss", model=None, **options):
    """Feed EarlyStopping one value an epoch, in a run with a model of one parameter."""
    model = model or nn.Linear(1, 1)
    stop = train.EarlyStopping(monitor, **options)
    stop.run = types.SimpleNamespace(names=[monitor], stop_training=False, model=model)
    stop.on_train_begin()
    for epoch, value in enumerate(values):
        model.weight.data[...] = epoch
        stop.on_epoch_end(epoch, {monitor: value})
        if stop.run.stop_training:
            break
    stop.on_train_end()
    return stop


@pytest.mark.parametrize(
    "values, options, stopped, best",
    [
        ([3, 2, 1, 1, 1, 1, 0], {"patience": 3}, 5, 2),
        ([3, 2, 4, 1, 4, 4, 0], {"patience": 3}, None, 6),
        ([3, 3, 2], {"patience": 1}, 1, 0),
        ([3, 3, 2], {"patience": 0}, 1, 0),
        ([3, 2, 1], {"patience": 0}, None, 2),
        ([3, 2.5, 2.1, 1.5], {"patience": 3, "min_delta": 1}, None, 3),
        ([3, 2.5, 2.1], {"patience": 2, "min_delta": 1}, 2, 0),
        ([math.nan, math.nan, 1], {"patience": 2}, 1, None),
        ([2, math.nan, 1], {"patience": 2}, None, 2),
        ([1, 2, 3, 3], {"mode": "max", "patience": 1}, 3, 2),
        ([1, 2, 1], {"monitor": "val_accuracy", "patience": 1}, 2, 1),
    ],
)
def test_early_stopping(values, options, stopped, best):
    stop = stopping(values, **options)
    assert (stop.stopped_epoch, stop.best_epoch) == (stopped, best)
    if best is not None:
        assert stop.best == values[best]
        assert stop.run.model.weight.data.item() == best


def test_early_stopping_without_restoring():
    stop = stopping([1, 2, 2], patience=2, restore_best=False)
    assert stop.run.model.weight.data.item() == 2


def test_early_stopping_in_a_run(build, blobs):
    model, optimizer = build()
    stop = train.EarlyStopping(patience=2)
    history = fit(model, optimizer, blobs, epochs=60, validation=0.2, callbacks=[stop]).history
    assert stop.best == min(history["val_loss"])
    assert history["val_loss"].index(stop.best) == stop.best_epoch
    if stop.stopped_epoch is not None:
        assert stop.stopped_epoch == stop.best_epoch + 2 == len(history["val_loss"]) - 1


def test_early_stopping_twice(build, blobs):
    """The same object begins anew in another run."""
    stop = train.EarlyStopping("loss", patience=1)
    fit(*build(), blobs, epochs=5, callbacks=[stop])
    stop.best = -1.0
    model, optimizer = build()
    history = fit(model, optimizer, blobs, epochs=2, callbacks=[stop]).history
    assert stop.best == min(history["loss"])


@pytest.mark.parametrize(
    "make",
    [
        lambda path: train.EarlyStopping(),
        lambda path: train.EarlyStopping("val_acuracy", mode="max"),
        lambda path: train.ModelCheckpoint(path, save_best_only=True),
        lambda path: train.LRSchedule(None, monitor="val_loss"),
    ],
)
def test_monitor_that_is_not_measured(build, blobs, tmp_path, make):
    """Without validation= there is no val_loss: said before any training."""
    model, optimizer = build()
    before = fingerprint(model, optimizer)
    with pytest.raises(
        ValueError, match="monitor must be one of .*'loss'.* got 'val_.*give validation="
    ):
        fit(model, optimizer, blobs, callbacks=[make(tmp_path / "file")])
    assert fingerprint(model, optimizer) == before


@pytest.mark.parametrize(
    "error, make",
    [
        (ValueError, lambda: train.EarlyStopping("f1")),
        (ValueError, lambda: train.EarlyStopping(mode="best")),
        (ValueError, lambda: train.EarlyStopping(patience=-1)),
        (TypeError, lambda: train.EarlyStopping(patience=1.5)),
        (ValueError, lambda: train.ModelCheckpoint("a", every_n_steps=0)),
        (ValueError, lambda: train.ModelCheckpoint("a", save_best_only=True, every_n_steps=5)),
        (TypeError, lambda: train.ModelCheckpoint(3)),
        (ValueError, lambda: train.LRSchedule(None, interval="batch")),
        (ValueError, lambda: train.LRSchedule(None, interval="step", monitor="loss")),
        (TypeError, lambda: train.CSVLogger(None)),
    ],
)
def test_bad_arguments(error, make):
    with pytest.raises(error):
        make()


def test_checkpoint_after_each_epoch(build, blobs, tmp_path):
    path = tmp_path / "{epoch:02d}-{step}-{accuracy:.1f}"
    model, optimizer = build()
    history = fit(model, optimizer, blobs, callbacks=[train.ModelCheckpoint(path)]).history
    names = [f"{i:02d}-{5 * i}-{a:.1f}" for i, a in enumerate(history["accuracy"], start=1)]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == names
    other, other_optimizer = build(seed=5)
    md.load(tmp_path / names[-1], other, other_optimizer)
    assert fingerprint(other, other_optimizer) == fingerprint(model, optimizer)


def test_checkpoint_of_the_best_only(build, blobs, tmp_path):
    values = iter([3.0, 1.0, 2.0, 0.5, math.nan])
    model, optimizer = build()
    saver = train.ModelCheckpoint(tmp_path / "{epoch}", "made_up", save_best_only=True, mode="min")

    def made_up(outputs, targets):
        return 0.0

    class Forge(train.Callback):
        def on_epoch_end(self, epoch, logs):
            saver_logs["made_up"] = next(values)

    saver_logs = {}
    real = saver.on_epoch_end
    saver.on_epoch_end = lambda epoch, logs: real(epoch, logs | saver_logs)
    fit(model, optimizer, blobs, epochs=5, metrics=[made_up], callbacks=[saver, Forge()])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["1", "2", "4"]


def test_checkpoint_every_n_steps(build, blobs, tmp_path):
    saver = train.ModelCheckpoint(tmp_path / "{step:02d}", every_n_steps=4)
    fit(*build(), blobs, callbacks=[saver])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["04", "08", "12"]


def test_checkpoint_with_an_unknown_name(build, blobs, tmp_path):
    model, optimizer = build()
    before = fingerprint(model, optimizer)
    for name in ("{val_loss}", "{", "{0}", "{loss:d}"):
        with pytest.raises(ValueError, match="path must have no parts but"):
            fit(model, optimizer, blobs, callbacks=[train.ModelCheckpoint(tmp_path / name)])
    assert fingerprint(model, optimizer) == before


@pytest.mark.parametrize("interval, expected", [("epoch", 2), ("step", 10)])
def test_lr_schedule(build, blobs, interval, expected):
    model, optimizer = build()
    schedule = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    fit(model, optimizer, blobs, epochs=2, callbacks=[train.LRSchedule(schedule, interval)])
    assert math.isclose(optimizer.param_groups[0]["lr"], 0.01 * 0.5**expected)


def test_lr_schedule_that_watches(build, blobs):
    def constant(outputs, targets):
        return 1.0

    model, optimizer = build(make=lambda p: optim.SGD(p, lr=0.01))
    schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    callback = train.LRSchedule(schedule, monitor="constant")
    fit(model, optimizer, blobs, epochs=3, metrics=[constant], callbacks=[callback])
    assert optimizer.param_groups[0]["lr"] == 0.0025


def test_csv(build, blobs, tmp_path):
    path = tmp_path / "log.csv"
    history = fit(*build(), blobs, validation=0.5, callbacks=[train.CSVLogger(path)]).history
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row.pop("epoch") for row in rows] == ["1", "2", "3"]
    got = {name: [float(row[name]) for row in rows] for name in rows[0]}
    assert got == history
    np.testing.assert_array_equal(list(got), list(history))
