"""What a training run has measured, epoch by epoch."""


class History:
    """The record of a run, as `fit` returns it.

    history: {name: [value of each epoch]}, with "loss" and each metric over the training samples
        as they were seen (dropout on, parameters changing), "val_loss" and "val_..." over the
        validation samples at the end of the epoch, and "seconds", the time that the training
        steps took, without validation and callbacks.
    epochs: the number of each epoch, from 0; a resumed run has those before the break too.
    """

    def __init__(self):
        self.history = {}
        self.epochs = []

    def append(self, epoch, logs):
        """Add an epoch; `logs` is {name: value}, with the same names as every epoch before."""
        if self.epochs and self.history.keys() != logs.keys():
            raise ValueError(f"logs must hold {sorted(self.history)}, got {sorted(logs)}")
        self.epochs.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def __len__(self):
        return len(self.epochs)

    def __repr__(self):
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.history.items())
        return f"History({len(self)} epochs{', last: ' if last else ''}{last})"

    def state_dict(self):
        return {"epochs": list(self.epochs), "history": {k: list(v) for k, v in
                                                         self.history.items()}}  # fmt: skip

    def load_state_dict(self, state):
        self.epochs[:] = state["epochs"]
        self.history.clear()
        self.history.update({name: list(values) for name, values in state["history"].items()})
