"""The training loop."""

import time
from collections.abc import Iterable

import numpy as np

from .. import io, random
from ..arguments import integer
from ..data.batches import Batches
from ..optim.optimizer import checked_optimizer
from .callbacks import Callback
from .evaluate import (
    as_pair,
    check_model_and_loss,
    dtype_of,
    evaluate,
    forward,
    keeping_modes,
)
from .interrupt import uninterrupted
from .metrics import as_metrics
from .progress import Progress
from .run import Run, state_of

# the epoch whose order picks the validation samples: no training epoch has this number
_SPLIT_EPOCH = 2**64 - 1


def fit(
    model,
    optimizer,
    loss,
    data,
    *,
    epochs,
    batch_size,
    validation=None,
    callbacks=(),
    metrics=("accuracy",),
    transform=None,
    progress=True,
    shuffle=True,
    drop_last=False,
    seed=None,
    initial_epoch=0,
    resume=None,
):
    """Train `model` on the samples `data` = (x, y); the History of the run.

    loss: a function of two Tensors (outputs, targets), such as nn.CrossEntropyLoss(), that gives
        the mean over a batch, a Tensor with a single number.
    epochs: how often every sample is seen. batch_size: samples in a training step.
    validation: (x, y) to be measured after each epoch; or the fraction of `data`, between 0 and 1,
        that is drawn at random and kept apart for it.
    callbacks: Callback objects, called in their order. metrics: names ("accuracy") or functions.
    transform, and what becomes of uint8 images: as in `data.batches`; validation samples pass
        through `transform` too.
    progress: False for no bar.
    shuffle, drop_last, seed: as in `data.batches`; a seed of None is md.manual_seed's, or that of
        the run that is resumed.
    initial_epoch: the number, from 0, that the first epoch has; the last is epochs - 1.
    resume: a checkpoint that ModelCheckpoint wrote. The run goes on from it, in the middle of an
        epoch if need be, and ends with the same bits, history and files as if it had not been
        interrupted, for any number of threads. Model, optimizer, data and arguments must be those
        of that run; `epochs` may be another number, and callbacks only need be of the same types.

    The loss and the metrics of an epoch are means over its samples. Floating-point data is
    converted to the dtype of the model's parameters. Training is done in train mode; afterwards
    each module is in the mode it was in. Ctrl-C takes effect between two training steps, so that
    the model and the optimizer are always those after a whole number of them.

    Raises ValueError or TypeError, before anything has changed, for arguments that do not fit;
    and, from the first step that they concern, whatever model, loss and metrics raise.
    """
    check_model_and_loss(model, loss)
    checked_optimizer(optimizer)
    x, y = as_pair("data", data)
    checkpoint = None if resume is None else io.read(resume)
    if seed is None:
        seed = state_of(checkpoint)["seed"] if checkpoint else random.get_rng_state()["seed"]
    x, y, validation = _split(x, y, validation, seed)
    batches = Batches(x, y, batch_size, shuffle, seed, drop_last, transform)
    if not len(batches):
        raise ValueError(f"data must have samples for one batch at least, got {len(x)}")
    epochs = integer("epochs", epochs, low=0)
    initial_epoch = integer("initial_epoch", initial_epoch, low=0)
    if resume is not None and initial_epoch:
        raise ValueError("initial_epoch must be 0 with resume=: the checkpoint says where to begin")

    metrics = as_metrics(metrics)
    run = Run(
        model,
        optimizer,
        batches,
        epochs=epochs,
        initial_epoch=initial_epoch,
        metrics=metrics,
        validated=validation is not None,
    )
    run.callbacks = _in_order(callbacks)
    bar = Progress(progress)
    with keeping_modes(model):
        _begin(run, checkpoint)
        try:
            while not run.finished:
                _train_epoch(run, batches, loss, bar)
                logs = run.logs()
                if validation is not None:
                    measured = evaluate(
                        model, loss, validation, metrics=metrics.values(), transform=transform
                    )
                    logs |= {f"val_{name}": value for name, value in measured.items()}
                logs = {name: logs[name] for name in run.names}
                bar.end(logs)
                epoch = run.epoch
                run.next_epoch(logs)
                for callback in run.callbacks:
                    callback.on_epoch_end(epoch, dict(logs))
        finally:
            bar.end()
        for callback in run.callbacks:
            callback.on_train_end()
    return run.history


def _in_order(callbacks):
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be a list of train.Callback objects, got {callbacks!r}")
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks must be train.Callback objects, got {callback!r}")
    return sorted(callbacks, key=lambda callback: callback.runs_last)


def _begin(run, checkpoint):
    for callback in run.callbacks:
        callback.run = run
    for callback in run.callbacks:
        callback.on_train_begin()
    if checkpoint is not None:
        run.resume(checkpoint)


def _train_epoch(run, batches, loss, bar):
    """The steps of the current epoch that are not done yet."""
    run.model.train()
    if run.step == 0:
        for callback in run.callbacks:
            callback.on_epoch_begin(run.epoch)
    bar.begin(run)
    dtype = dtype_of(run.model)
    began = time.perf_counter()
    for xb, yb in batches.iterate(run.epoch, first_batch=run.step):
        if run.stop_training:
            return
        with uninterrupted():
            _step(run, loss, xb, yb, dtype)
            run.seconds += time.perf_counter() - began
        logs = run.totals.means()
        bar.step(logs)
        for callback in run.callbacks:
            callback.on_batch_end(run.step - 1, dict(logs))
        began = time.perf_counter()


def _step(run, loss, xb, yb, dtype):
    """Forward, measure, backward, update. Whatever can fail does so before the update."""
    run.optimizer.zero_grad()
    outputs, value = forward(run.model, loss, xb, yb, dtype)
    measured = run.totals.measure(value.item(), outputs.numpy(), yb)
    value.backward()
    run.optimizer.step()
    run.totals.add(*measured)
    run.step += 1


def _split(x, y, validation, seed):
    """(x, y, validation): the training samples, and the pair to validate on or None."""
    if validation is None:
        return x, y, None
    if isinstance(validation, (float, np.floating)):
        held = int(len(x) * validation) if 0 < validation < 1 else 0
        if held == 0:
            raise ValueError(
                "validation must be (x, y), or a fraction between 0 and 1 that is at least one of "
                f"the {len(x)} samples, got {validation}"
            )
        order = random.permutation(len(x), seed, _SPLIT_EPOCH)
        kept, held = np.sort(order[held:]), np.sort(order[:held])
        return x[kept], y[kept], (x[held], y[held])
    return x, y, as_pair("validation", validation)
