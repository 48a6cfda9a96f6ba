"""A run that was interrupted and resumed ends with the same bits as one that was not."""

import contextlib

import numpy as np
import pytest
from helpers import fingerprint

import minidrop as md
from minidrop import nn, optim, train
from minidrop.io import CheckpointError

STEPS = 5  # of an epoch: 83 or 90 samples in batches of 20
EPOCHS = 3


class Killed(Exception):
    pass


class Kill(train.Callback):
    """Ends the process, as far as a test can, right after the checkpoint of a step."""

    runs_last = True

    def __init__(self, step=None):
        self.step = step

    def on_batch_end(self, batch, logs):
        if self.run.global_step == self.step:
            raise Killed


class Setup:
    """Model, optimizer and callbacks of one process; every process makes its own."""

    def __init__(self, build, folder, kill=None):
        self.model, self.optimizer = build()
        schedule = optim.lr_scheduler.StepLR(self.optimizer, step_size=4, gamma=0.7)
        self.stop = train.EarlyStopping("val_loss", patience=2)
        self.callbacks = [
            train.ModelCheckpoint(folder / "{step}", every_n_steps=1),
            self.stop,
            train.LRSchedule(schedule, "step"),
            train.CSVLogger(folder / "log.csv"),
            Kill(kill),
        ]

    def fit(self, data, **options):
        options = {"epochs": EPOCHS, "batch_size": 20, "validation": 0.08} | options
        return train.fit(
            self.model,
            self.optimizer,
            nn.CrossEntropyLoss(),
            data,
            callbacks=self.callbacks,
            progress=False,
            **options,
        )


def without_seconds(history):
    return {name: values for name, values in history.history.items() if name != "seconds"}


def rows(path):
    return [line.rsplit(",", 1)[0] for line in path.read_text().splitlines()]


@pytest.fixture
def straight(build, blobs, tmp_path):
    """(fingerprint, history, csv rows) of the run without a break."""
    folder = tmp_path / "straight"
    folder.mkdir()
    setup = Setup(build, folder)
    history = setup.fit(blobs)
    return (
        fingerprint(setup.model, setup.optimizer),
        without_seconds(history),
        rows(folder / "log.csv"),
    )


@pytest.mark.parametrize("step", range(1, STEPS * EPOCHS))
def test_at_every_step(build, blobs, tmp_path, straight, step):
    with pytest.raises(Killed):
        Setup(build, tmp_path, kill=step).fit(blobs)
    setup = Setup(lambda: build(seed=9), tmp_path)  # another process: nothing is as it was
    threads = md.get_num_threads()
    md.set_num_threads(3)
    try:
        history = setup.fit(blobs, resume=tmp_path / str(step))
    finally:
        md.set_num_threads(threads)
    got = fingerprint(setup.model, setup.optimizer), without_seconds(history)
    assert (*got, rows(tmp_path / "log.csv")) == straight


def test_an_epoch_begins_once(build, blobs, tmp_path):
    begun = []

    class Record(train.Callback):
        def on_epoch_begin(self, epoch):
            begun.append(epoch)

    def run(**options):
        model, optimizer = build()
        train.fit(
            model, optimizer, nn.CrossEntropyLoss(), blobs, epochs=EPOCHS, batch_size=20,
            callbacks=[Record(), train.ModelCheckpoint(tmp_path / "{step}", every_n_steps=1)],
            progress=False, **options,
        )  # fmt: skip

    run()
    run(resume=tmp_path / str(STEPS + 2))
    assert begun == [0, 1, 2, 2]


def test_again_and_again(build, blobs, tmp_path, straight):
    resume = None
    for step in range(1, STEPS * EPOCHS, 2):
        with pytest.raises(Killed):
            Setup(build, tmp_path, kill=step).fit(blobs, resume=resume)
        resume = tmp_path / str(step)
    setup = Setup(build, tmp_path)
    history = setup.fit(blobs, resume=resume)
    got = fingerprint(setup.model, setup.optimizer), without_seconds(history)
    assert (*got, rows(tmp_path / "log.csv")) == straight


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
        lambda p: optim.AdamW(p, lr=0.01),
        lambda p: optim.RMSprop(p, lr=0.01),
        lambda p: optim.Adagrad(p, lr=0.05),
        lambda p: optim.Adadelta(p, lr=1.0),
    ],
    ids=["sgd", "adamw", "rmsprop", "adagrad", "adadelta"],
)
def test_every_optimizer(build, blobs, tmp_path, make):
    ends = []
    for resume in (None, tmp_path / "7"):
        setup = Setup(lambda: build(make=make), tmp_path)
        setup.fit(blobs, resume=resume)
        ends.append(fingerprint(setup.model, setup.optimizer))
    assert ends[0] == ends[1]


def test_from_the_end_of_an_epoch(build, blobs, tmp_path):
    ends = []
    for resume in (None, tmp_path / "epoch 2"):
        model, optimizer = build()
        saver = train.ModelCheckpoint(tmp_path / "epoch {epoch}")
        history = train.fit(
            model, optimizer, nn.CrossEntropyLoss(), blobs, epochs=EPOCHS, batch_size=20,
            callbacks=[saver], progress=False, resume=resume,
        )  # fmt: skip
        ends.append((fingerprint(model, optimizer), without_seconds(history)))
    assert ends[0] == ends[1]


def test_a_finished_run_trains_no_further(build, blobs, tmp_path, straight):
    Setup(build, tmp_path).fit(blobs)
    setup = Setup(build, tmp_path)
    history = setup.fit(blobs, resume=tmp_path / str(STEPS * EPOCHS))
    got = fingerprint(setup.model, setup.optimizer), without_seconds(history)
    assert got == straight[:2]


def test_more_epochs_than_before(build, blobs, tmp_path):
    setup = Setup(build, tmp_path)
    setup.fit(blobs, epochs=EPOCHS + 1)
    Setup(build, tmp_path).fit(blobs)
    longer = Setup(build, tmp_path)
    longer.fit(blobs, epochs=EPOCHS + 1, resume=tmp_path / str(STEPS * EPOCHS))
    assert fingerprint(longer.model, longer.optimizer) == fingerprint(setup.model, setup.optimizer)


def test_a_run_that_stopped_early_stays_stopped(build, blobs, tmp_path):
    """Its best parameters come from the checkpoint too."""
    ends = []
    for resume in (None, tmp_path / "checkpoint"):
        model, optimizer = build(make=lambda p: optim.SGD(p, lr=3.0))
        stop = train.EarlyStopping("val_loss", patience=2)
        history = train.fit(
            model, optimizer, nn.CrossEntropyLoss(), blobs, epochs=100, batch_size=20,
            validation=0.2, callbacks=[stop, train.ModelCheckpoint(tmp_path / "checkpoint")],
            progress=False, resume=resume,
        )  # fmt: skip
        assert stop.stopped_epoch == len(history) - 1 < 99
        ends.append((fingerprint(model, optimizer), without_seconds(history)))
    assert ends[0] == ends[1]


def test_stop_in_the_middle_of_an_epoch(build, blobs, tmp_path):
    class Stop(train.Callback):
        def on_batch_end(self, batch, logs):
            self.run.stop_training = self.run.global_step == 7

    ends = []
    for resume in (None, tmp_path / "7"):
        model, optimizer = build()
        history = train.fit(
            model, optimizer, nn.CrossEntropyLoss(), blobs, epochs=9, batch_size=20,
            callbacks=[Stop(), train.ModelCheckpoint(tmp_path / "{step}", every_n_steps=1)],
            progress=False, resume=resume,
        )  # fmt: skip
        ends.append((fingerprint(model, optimizer), without_seconds(history)))
    assert ends[0] == ends[1]


def test_best_checkpoint_so_far_is_remembered(build, blobs, tmp_path):
    def run(folder, resume=None, kill=None):
        folder.mkdir(exist_ok=True)
        model, optimizer = build()
        callbacks = [
            train.ModelCheckpoint(folder / "last"),
            train.ModelCheckpoint(folder / "best-{epoch}", "accuracy", save_best_only=True),
            Kill(kill),
        ]
        with contextlib.suppress(Killed):
            train.fit(
                model, optimizer, nn.CrossEntropyLoss(), blobs, epochs=6, batch_size=20,
                callbacks=callbacks, progress=False, resume=resume,
            )  # fmt: skip
        return sorted(path.name for path in folder.iterdir())

    expected = run(tmp_path / "straight")
    run(tmp_path / "broken", kill=4 * STEPS + 1)
    assert run(tmp_path / "broken", resume=tmp_path / "broken" / "last") == expected


@pytest.mark.parametrize(
    "change, message",
    [
        ({"batch_size": 10}, "its batch_size was 20, this one's is 10"),
        ({"seed": 3}, "its seed was 0, this one's is 3"),
        ({"shuffle": False}, "its shuffle was True"),
        ({"drop_last": True}, "its drop_last was False"),
        ({"validation": 0.5}, "its samples was 83"),
        ({"metrics": ()}, "its metrics was"),
        ({"initial_epoch": 1}, "initial_epoch must be 0"),
    ],
)
def test_another_run(build, blobs, tmp_path, change, message):
    with pytest.raises(Killed):
        Setup(build, tmp_path, kill=3).fit(blobs)
    setup = Setup(build, tmp_path)
    before = fingerprint(setup.model, setup.optimizer)
    with pytest.raises(ValueError, match=message):
        setup.fit(blobs, resume=tmp_path / "3", **change)
    assert fingerprint(setup.model, setup.optimizer) == before


def test_other_callbacks(build, blobs, tmp_path):
    with pytest.raises(Killed):
        Setup(build, tmp_path, kill=3).fit(blobs)
    setup = Setup(build, tmp_path)
    setup.callbacks.pop()
    before = fingerprint(setup.model, setup.optimizer)
    with pytest.raises(ValueError, match="its callbacks was"):
        setup.fit(blobs, resume=tmp_path / "3")
    assert fingerprint(setup.model, setup.optimizer) == before


def test_another_model(build, blobs, tmp_path):
    with pytest.raises(Killed):
        Setup(build, tmp_path, kill=3).fit(blobs)
    setup = Setup(lambda: build(inputs=5), tmp_path)
    x = np.column_stack([blobs[0], blobs[0][:, :1]])
    with pytest.raises(CheckpointError, match="0.weight: "):
        setup.fit((x, blobs[1]), resume=tmp_path / "3")


def test_a_file_that_is_of_no_run(build, blobs, tmp_path):
    setup = Setup(build, tmp_path)
    md.save(tmp_path / "file", setup.model, setup.optimizer, epoch=3)
    before = fingerprint(setup.model, setup.optimizer)
    with pytest.raises(ValueError, match="was not written during a run of fit"):
        setup.fit(blobs, resume=tmp_path / "file")
    assert fingerprint(setup.model, setup.optimizer) == before
