"""The bar that shows how far an epoch is."""


class Progress:
    """A tqdm bar for each epoch, on standard error; or nothing, if not `shown`."""

    def __init__(self, shown):
        self.shown = shown
        self.bar = None

    def begin(self, run):
        if not self.shown:
            return
        from tqdm import tqdm  # here, so that it costs nothing where no bar is wanted

        self.bar = tqdm(
            total=run.steps_per_epoch,
            initial=run.step,
            desc=f"epoch {run.epoch + 1}/{run.epochs}",
            unit="batch",
            dynamic_ncols=True,
        )

    def step(self, logs):
        if self.bar is not None:
            self.bar.set_postfix_str(_text(logs), refresh=False)
            self.bar.update()

    def end(self, logs=None):
        """Close the bar, with the epoch's final values if it came to them."""
        if self.bar is not None:
            if logs is not None:
                self.bar.set_postfix_str(_text(logs), refresh=True)
            self.bar.close()
            self.bar = None


def _text(logs):
    return ", ".join(f"{name}={value:.4f}" for name, value in logs.items() if name != "seconds")
