"""train.RateSchedule: rates that follow the steps, through breaks too."""

import math

import numpy as np
import pytest
from helpers import fingerprint

import minidrop as md
from minidrop import nn, optim, train

STEPS = 5  # of an epoch: 90 samples in batches of 20
EPOCHS = 2


class Killed(Exception):
    pass


class Watch(train.Callback):
    """The rates that each step was done with; ends the process after the checkpoint of a step."""

    runs_last = True

    def __init__(self, *layers, kill=None):
        self.layers, self.kill, self.rates = layers, kill, []

    def on_train_begin(self):
        self.now()

    def on_batch_end(self, batch, logs):
        if self.run.global_step == self.kill:
            raise Killed
        self.now()

    def now(self):
        self.rates.append(tuple(layer.p for layer in self.layers))


def make(seed=0):
    md.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(4, 16), nn.Dropout(0.3), nn.ReLU(),
        nn.Sequential(nn.DropConnect(nn.Linear(16, 16), 0.1), nn.Dropout(0.2)), nn.Linear(16, 3),
    )  # fmt: skip
    return model, optim.Adam(model.parameters(), lr=0.01)


def fit(model, optimizer, data, callbacks, **options):
    options = {"epochs": EPOCHS, "batch_size": 20, "progress": False} | options
    return train.fit(model, optimizer, nn.CrossEntropyLoss(), data, callbacks=callbacks, **options)


def rates(blobs, schedule, pick=lambda model: [model[1]]):
    model, optimizer = make()
    watch = Watch(*pick(model))
    fit(model, optimizer, blobs, [schedule, watch])
    return watch.rates


def test_linear(blobs):
    got = rates(blobs, train.RateSchedule.linear(0.5, 0.1, 4))
    expected = [0.5, 0.4, 0.3, 0.2, *[0.1] * 7]
    np.testing.assert_allclose([p for (p,) in got], expected, rtol=1e-12)


def test_curriculum(blobs):
    got = rates(blobs, train.RateSchedule.curriculum(0.5, 0.3))
    expected = [0.5 * (1 - math.exp(-0.3 * step)) for step in range(11)]
    np.testing.assert_allclose([p for (p,) in got], expected, rtol=1e-12)
    assert got[0] == (0,)


def test_any_function_of_the_step(blobs):
    got = rates(blobs, train.RateSchedule(lambda step: step / 20))
    assert [p for (p,) in got] == [step / 20 for step in range(11)]


def test_of_the_epoch(blobs):
    got = rates(blobs, train.RateSchedule(lambda epoch: epoch / 4, interval="epoch"))
    assert [p for (p,) in got] == [0.0] * 6 + [0.25] * 5  # set after the last batch's callbacks


@pytest.mark.parametrize("layers, moved", [
    (None, [True, True, True]), ("1", [True, False, False]), (["3"], [False, True, True]),
    (("3.1", "1"), [True, False, True]),
])  # fmt: skip
def test_layers(blobs, layers, moved):
    schedule = train.RateSchedule.linear(0.9, 0.9, 1, layers)
    got = rates(blobs, schedule, lambda model: [model[1], model[3][0], model[3][1]])
    expected = [0.9 if m else p for m, p in zip(moved, (0.3, 0.1, 0.2), strict=True)]
    assert set(got) == {tuple(expected)}
    assert schedule.p == 0.9


def test_learned_rates_are_left_alone(blobs):
    model = nn.Sequential(nn.ConcreteDropout(0.3), nn.Linear(4, 3), nn.Dropout(0.1))
    fit(model, optim.SGD(model[1].parameters(), lr=0.1), blobs, [train.RateSchedule(lambda s: 0.9)])
    assert abs(model[0].p - 0.3) < 1e-6 and model[2].p == 0.9


def test_noise_has_no_rate(blobs):
    model = nn.Sequential(nn.Sequential(nn.GaussianNoise(0.1), nn.Dropout(0.1)), nn.Linear(4, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for layers in (None, "0"):
        model[0][1].p = 0.1
        fit(model, optimizer, blobs, [train.RateSchedule(lambda step: 0.9, layers)])
        assert (model[0][0].std, model[0][1].p) == (0.1, 0.9)
    with pytest.raises(ValueError, match="which are \\['0.1'\\], got '0.0'"):
        fit(model, optimizer, blobs, [train.RateSchedule(lambda step: 0.9, "0.0")])


@pytest.mark.parametrize("interval", ["step", "epoch"])
@pytest.mark.parametrize("step", range(1, STEPS * EPOCHS))
def test_a_resumed_run_goes_on_with_the_same_bits(blobs, tmp_path, step, interval):
    def run(folder, seed=0, kill=None, resume=None):
        folder.mkdir(exist_ok=True)
        model, optimizer = make(seed)
        watch = Watch(model[1], model[3][0], kill=kill)
        schedule = train.RateSchedule(lambda n: 0.8 / (n + 2), interval=interval)
        callbacks = [schedule, train.ModelCheckpoint(folder / "{step}", every_n_steps=1), watch]
        fit(model, optimizer, blobs, callbacks, resume=resume)
        return fingerprint(model, optimizer), watch.rates

    expected, rates = run(tmp_path / "straight")
    with pytest.raises(Killed):
        run(tmp_path / "broken", kill=step)
    got, resumed = run(tmp_path / "broken", seed=9, resume=tmp_path / "broken" / str(step))
    assert got == expected
    assert resumed[1:] == rates[step + 1 :]


def test_bad_arguments(blobs):
    with pytest.raises(TypeError, match="rate must be a function of the step, got 0.5"):
        train.RateSchedule(0.5)
    with pytest.raises(ValueError, match="interval must be 'step' or 'epoch'"):
        train.RateSchedule(abs, interval="batch")
    with pytest.raises(ValueError, match="start must be in .*got 2"):
        train.RateSchedule.linear(2, 0.5, 3)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        train.RateSchedule.linear(0, 0.5, 0)
    with pytest.raises(ValueError, match="gamma must be above 0"):
        train.RateSchedule.curriculum(0.5, 0)
    model, optimizer = make()
    for layers in ("2", "nothing", ["1", "0"]):
        with pytest.raises(ValueError, match="which are \\['1', '3.0', '3.1'\\]"):
            fit(model, optimizer, blobs, [train.RateSchedule(lambda s: 0.5, layers)])
    assert model[1].p == 0.3


def test_a_rate_that_is_none_is_named_with_its_step(blobs):
    model, optimizer = make()
    with pytest.raises(ValueError, match="RateSchedule: rate\\(3\\) must be in .*got 1.5"):
        fit(model, optimizer, blobs, [train.RateSchedule(lambda step: step / 2)])
    assert model[1].p == 1.0
