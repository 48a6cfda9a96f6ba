"""Callbacks: what happens beside the training steps."""

import csv
import io as text
import math
import os

from ..arguments import integer
from ..io import write_atomically
from .interrupt import uninterrupted


class Callback:
    """Base class: `fit` calls the methods below, which do nothing here; override what you need.

    `self.run` is the Run: its model, optimizer, epoch, step, history; `self.run.stop_training =
    True` ends the training. `logs` is a new dictionary at each call: at the end of a batch the
    means of the epoch so far, at the end of an epoch its row of the history. Batches and epochs
    are counted from 0.

    A callback that remembers something returns it from `state_dict` and takes it back in
    `load_state_dict` (values as md.save takes them), or a resumed run would differ. One with
    `runs_last = True` is called after all others, to see what they have done.
    """

    run = None
    runs_last = False

    def on_train_begin(self):
        """Before the first epoch, and before a resumed run takes up its state."""

    def on_train_end(self):
        """After the last epoch; not after an exception or Ctrl-C."""

    def on_epoch_begin(self, epoch):
        """Before the first batch of an epoch; not again where a run resumes within it."""

    def on_epoch_end(self, epoch, logs):
        """After the validation; the run stands at the beginning of the next epoch already."""

    def on_batch_end(self, batch, logs):
        """After each training step."""

    def state_dict(self):
        """What a resumed run has to know."""
        return {}

    def load_state_dict(self, state):
        """Take back what `state_dict` returned."""


class EarlyStopping(Callback):
    """End the training when a value has stopped getting better.

    monitor: a name in the history. patience: after how many epochs in a row without improvement
        the training ends (0 and 1 both: after the first). min_delta: by how much a value must be
        better than the best so far. mode: "min", "max", or "auto": as the name says, "max" for an
        accuracy and "min" for a loss.
    restore_best: at the end of the training, however it came, give the model the parameters and
        buffers of its best epoch.

    Afterwards `best` is the best value, `best_epoch` its epoch, and `stopped_epoch` the epoch
    after which the training was stopped, or None. nan is never an improvement.
    """

    def __init__(
        self, monitor="val_loss", patience=3, restore_best=True, *, min_delta=0.0, mode="auto"
    ):
        self.monitor, self.mode = monitor, _direction(monitor, mode)
        self.patience = integer("patience", patience, low=0)
        self.restore_best = restore_best
        self.min_delta = min_delta
        self.on_train_begin()

    def on_train_begin(self):
        check_monitor(self)
        self.best = math.inf if self.mode == "min" else -math.inf
        self.best_epoch = self.stopped_epoch = self.best_state = None
        self.waited = 0

    def on_epoch_end(self, epoch, logs):
        if _better(logs[self.monitor], self.best, self.mode, self.min_delta):
            self.best, self.best_epoch, self.waited = logs[self.monitor], epoch, 0
            if self.restore_best:
                self.best_state = self.run.model.state_dict()
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.stopped_epoch = epoch
            self.run.stop_training = True

    def on_train_end(self):
        if self.best_state is not None:
            with uninterrupted():
                self.run.model.load_state_dict(self.best_state)

    def state_dict(self):
        names = ("best", "best_epoch", "stopped_epoch", "best_state", "waited")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state):
        for name, value in state.items():
            setattr(self, name, value)


class ModelCheckpoint(Callback):
    """Write checkpoints during the training: md.load reads them, `fit(..., resume=path)` goes on.

    path: the file; parts such as {epoch:02d} (from 1), {step} (training steps in all) and
        {val_loss:.3f} are filled in, as with str.format.
    save_best_only: only after epochs in which `monitor` was better than ever before; `mode` as for
        EarlyStopping.
    every_n_steps: after every so many training steps, in the middle of epochs too, instead of at
        the end of each epoch.

    A checkpoint holds the model, the optimizer, the random state, the history, the state of all
    callbacks, and where in which epoch the run stands. It is written after all other callbacks
    have done their part. The file is always a whole one (see io.write_atomically).
    """

    runs_last = True

    def __init__(
        self, path, monitor="val_loss", save_best_only=False, *, every_n_steps=None, mode="auto"
    ):
        self.path = os.fspath(path)
        self.save_best_only, self.monitor = save_best_only, monitor
        self.mode = _direction(monitor, mode) if save_best_only else None
        if every_n_steps is not None:
            every_n_steps = integer("every_n_steps", every_n_steps, low=1)
            if save_best_only:
                raise ValueError(
                    "every_n_steps must be None with save_best_only, which looks at whole epochs"
                )
        self.every_n_steps = every_n_steps
        self.on_train_begin()

    def on_train_begin(self):
        if self.save_best_only:
            check_monitor(self)
        self.best = -math.inf if self.mode == "max" else math.inf
        if self.run is not None:
            names = self.run.totals.sums if self.every_n_steps else self.run.names
            self._filled_path(0, dict.fromkeys(names, 0.0))  # a wrong one shows at once

    def on_batch_end(self, batch, logs):
        if self.every_n_steps and self.run.global_step % self.every_n_steps == 0:
            self._save(self.run.epoch, logs)

    def on_epoch_end(self, epoch, logs):
        if self.every_n_steps:
            return
        if self.save_best_only:
            if not _better(logs[self.monitor], self.best, self.mode):
                return
            self.best = logs[self.monitor]
        self._save(epoch, logs)

    def _save(self, epoch, logs):
        self.run.save(self._filled_path(epoch, logs))

    def _filled_path(self, epoch, logs):
        values = {**logs, "epoch": epoch + 1, "step": self.run.global_step}
        try:
            return self.path.format(**values)
        except (LookupError, ValueError) as error:
            raise ValueError(
                f"path must have no parts but {sorted(values)}, got {self.path!r} ({error!r})"
            ) from error

    def state_dict(self):
        return {"best": self.best}

    def load_state_dict(self, state):
        self.best = state["best"]


class LRSchedule(Callback):
    """Let a scheduler of optim.lr_scheduler set the learning rate.

    interval: "epoch" for a scheduler that counts epochs, "step" for one that counts training
        steps, such as OneCycleLR. monitor: for ReduceLROnPlateau, the name in the history of the
        value that it watches, at the end of each epoch.
    """

    def __init__(self, scheduler, interval="epoch", *, monitor=None):
        if interval not in ("epoch", "step"):
            raise ValueError(f"interval must be 'epoch' or 'step', got {interval!r}")
        if monitor is not None and interval == "step":
            raise ValueError("monitor must be None with interval='step'")
        self.scheduler, self.interval, self.monitor = scheduler, interval, monitor

    def on_train_begin(self):
        if self.monitor is not None:
            check_monitor(self)

    def on_batch_end(self, batch, logs):
        if self.interval == "step":
            self.scheduler.step()

    def on_epoch_end(self, epoch, logs):
        if self.monitor is not None:
            self.scheduler.step(logs[self.monitor])
        elif self.interval == "epoch":
            self.scheduler.step()

    def state_dict(self):
        return self.scheduler.state_dict()

    def load_state_dict(self, state):
        self.scheduler.load_state_dict(state)


class CSVLogger(Callback):
    """Keep a CSV file with a row for each epoch: its number, from 1, and its values.

    The file always holds the whole history of the run, of a resumed one from its first epoch on.
    """

    def __init__(self, path):
        self.path = os.fspath(path)

    def on_epoch_end(self, epoch, logs):
        history = self.run.history
        table = text.StringIO(newline="")
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["epoch", *history.history])
        numbers = [number + 1 for number in history.epochs]
        writer.writerows(zip(numbers, *history.history.values(), strict=True))
        write_atomically(self.path, table.getvalue().encode())


def check_monitor(callback):
    """Raise ValueError, before any training, where what is to be watched will not be measured."""
    if callback.run is not None and callback.monitor not in callback.run.names:
        raise ValueError(
            f"monitor must be one of {callback.run.names}, got {callback.monitor!r}"
            + (": give validation= too" if callback.monitor.startswith("val_") else "")
        )


def _direction(monitor, mode):
    if mode == "auto":
        for ending, direction in (("loss", "min"), ("accuracy", "max")):
            if monitor.endswith(ending):
                return direction
        raise ValueError(f"mode must be 'min' or 'max' for {monitor!r}, whose name does not tell")
    if mode not in ("min", "max"):
        raise ValueError(f"mode must be 'min', 'max' or 'auto', got {mode!r}")
    return mode


def _better(value, best, mode, min_delta=0.0):
    return value < best - min_delta if mode == "min" else value > best + min_delta
