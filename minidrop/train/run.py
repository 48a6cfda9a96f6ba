"""The state of a training run: where it stands, and how it goes on from a checkpoint."""

from .. import io
from .history import History
from .metrics import Totals

# what has to be the same on both sides of a break, for the run to be the same run
_FIXED = ("samples", "batch_size", "shuffle", "drop_last", "seed")


class Run:
    """A run of `fit`: what callbacks see as `self.run`, and what a checkpoint holds.

    model, optimizer: what is trained.
    epochs, steps_per_epoch: how long it is to be. samples and the other names in _FIXED: its data.
    epoch: the number of the current epoch, from 0. step: training steps done in it.
    history: the History of the epochs that are done. seconds: of training in the current epoch.
    names: the names of the values that each epoch gives, such as "loss" and "val_accuracy".
    stop_training: a callback sets it to True to end the run.
    """

    def __init__(self, model, optimizer, batches, *, epochs, initial_epoch, metrics, validated):
        self.model, self.optimizer = model, optimizer
        self.samples, self.steps_per_epoch = len(batches.x), len(batches)
        self.batch_size, self.seed = batches.batch_size, batches.seed
        self.shuffle, self.drop_last = batches.shuffle, batches.drop_last
        self.epochs, self.epoch, self.step = epochs, initial_epoch, 0
        self.seconds = 0.0
        self.totals = Totals(metrics)
        self.history = History()
        self.stop_training = False
        self.callbacks = ()
        measured = list(self.totals.sums)
        validation = [f"val_{name}" for name in measured] if validated else []
        self.names = [*measured, *validation, "seconds"]

    @property
    def global_step(self):
        """Training steps done since the first epoch."""
        return self.epoch * self.steps_per_epoch + self.step

    @property
    def finished(self):
        """Whether no step is left; a stop in the middle of an epoch still has that epoch's end."""
        return self.epoch >= self.epochs or (self.stop_training and self.step == 0)

    def logs(self):
        """The values of the current epoch so far."""
        return {**self.totals.means(), "seconds": self.seconds}

    def next_epoch(self, logs):
        """Put `logs` into the history, and begin the next epoch."""
        self.history.append(self.epoch, logs)
        self.epoch += 1
        self.step = 0
        self.seconds = 0.0
        self.totals = Totals(self.totals.metrics)

    def save(self, path):
        """Write a checkpoint from which `fit(..., resume=path)` goes on with the same bits."""
        io.save(path, self.model, self.optimizer, fit=self.state_dict())

    def resume(self, checkpoint):
        """Go on where the run of `checkpoint` (an io.Checkpoint) stood.

        Raises ValueError where that was another run; then nothing has changed.
        """
        state = state_of(checkpoint)
        names = [type(callback).__name__ for callback in self.callbacks]
        then = {name: state[name] for name in _FIXED}
        then |= {"metrics": list(state["sums"]), "callbacks": [n for n, _ in state["callbacks"]]}
        now = {name: getattr(self, name) for name in _FIXED}
        now |= {"metrics": list(self.totals.sums), "callbacks": names}
        for name, value in then.items():
            if now[name] != value:
                raise ValueError(
                    f"resume: {checkpoint.path} is of another run: its {name} was {value}, this "
                    f"one's is {now[name]}"
                )
        checkpoint.restore(self.model, self.optimizer)
        self.load_state_dict(state)

    def state_dict(self):
        """Everything but model and optimizer, as md.save takes it."""
        return {
            **{name: getattr(self, name) for name in _FIXED},
            "epoch": self.epoch,
            "step": self.step,
            "seconds": self.seconds,
            "stop_training": self.stop_training,
            "count": self.totals.count,
            "sums": dict(self.totals.sums),
            "history": self.history.state_dict(),
            "callbacks": [(type(c).__name__, c.state_dict()) for c in self.callbacks],
        }

    def load_state_dict(self, state):
        self.epoch, self.step, self.seconds = state["epoch"], state["step"], state["seconds"]
        self.stop_training = state["stop_training"]
        self.totals.count = state["count"]
        self.totals.sums.update(state["sums"])
        self.history.load_state_dict(state["history"])
        for callback, (_, callback_state) in zip(self.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(callback_state)


def state_of(checkpoint):
    """The state of the run that wrote `checkpoint`; ValueError where none did."""
    if "fit" not in checkpoint.meta:
        raise ValueError(
            f"resume: {checkpoint.path} was not written during a run of fit (ModelCheckpoint does "
            "that); md.load reads it"
        )
    return checkpoint.meta["fit"]
