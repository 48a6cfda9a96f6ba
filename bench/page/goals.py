"""What is asked of minidrop, row by row, and how each figure is read off a run."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.page import figures
from bench.page.figures import geometric_mean, is_eager_torch, is_peer, ratio


@dataclass(frozen=True)
class Seen:
    """A figure, the rows that decided it, whether one of them was measured while the machine was
    unsteady, and what the figure would be if ours ran at the measured peak (None if unknown)."""

    value: float
    rows: tuple = ()
    noisy: bool = False
    at_peak: float | None = None


@dataclass(frozen=True)
class Goal:
    """`measure(result, threads, goal)` gives the Seen figure or None where it was not measured;
    `asked` is its limit for each number of threads, a lower one unless `at_most`. The rows are
    those of `suite` whose case begins with the regular expression `pattern`."""

    work: str
    suite: str
    pattern: str
    measure: Callable
    asked: dict
    at_most: bool = False
    percent: bool = False

    def met(self, seen, threads):
        asked = self.asked[threads]
        return seen.value <= asked if self.at_most else seen.value >= asked


def _of_rows(pick, figure, at_peak=lambda row: None):
    """A measure: `pick` chooses one of the rows' (figure(row), row), or combines them;
    `at_peak(row)` is the figure of a row that runs at the measured peak."""

    def measure(result, threads, goal):
        rows = figures.rows(result, threads, goal.suite, goal.pattern)
        values = [(figure(row), row) for row in rows if figure(row) is not None]
        if not values:
            return None
        value, deciding = pick(values)
        ceilings = [at_peak(row) for row in deciding]
        return Seen(
            value,
            deciding,
            any(row["noisy"] for row in deciding),
            None if None in ceilings else geometric_mean(ceilings),
        )

    return measure


def _ratio_at_peak(among):
    """How far ahead of `among` a row at the measured peak would be: a function of the row."""

    def at_peak(row):
        peer = figures.best(row, among)
        return peer[1] * row["peak"] * 1e9 / row["amount"] if peer and row["peak"] else None

    return at_peak


def _lowest(values):
    value, row = min(values, key=lambda pair: pair[0])
    return value, (row,)


def _highest(values):
    value, row = max(values, key=lambda pair: pair[0])
    return value, (row,)


def _mean(values):
    return geometric_mean([value for value, _ in values]), tuple(row for _, row in values)


def _against_torch(row):
    return ratio(row, is_eager_torch)


def _avx2(row):
    ours, limited = figures.seconds(row), figures.seconds(row, "minidrop_avx2")
    return ours / limited if ours and limited else None


lowest = _of_rows(_lowest, ratio, _ratio_at_peak(is_peer))
mean = _of_rows(_mean, ratio, _ratio_at_peak(is_peer))
lowest_against_torch = _of_rows(_lowest, _against_torch, _ratio_at_peak(is_eager_torch))
times_a_copy = _of_rows(_highest, figures.over_copy)
lowest_share = _of_rows(_lowest, figures.share)
_lowest_avx2 = _of_rows(_lowest, _avx2)


def lowest_avx2(result, threads, goal):
    """At their peaks, the AVX2 path's share is that of its multiply-adds."""
    seen = _lowest_avx2(result, threads, goal)
    fma = figures.fma(result, threads)
    if seen is None or "avx2" not in fma:
        return seen
    return replace(seen, at_peak=fma["avx2"] / next(iter(fma.values())))


def scaling(result, threads, goal):
    """The lowest of one thread's time over that of `threads`."""
    values = []
    for row in figures.rows(result, threads, goal.suite, goal.pattern):
        for single in figures.rows(result, 1, goal.suite, goal.pattern):
            if single["case"] == row["case"] and figures.seconds(row) and figures.seconds(single):
                values.append((figures.seconds(single) / figures.seconds(row), row))
    if not values:
        return None
    value, (row,) = _lowest(values)
    peaks = [next(iter(figures.fma(result, count).values()), None) for count in (1, threads)]
    return Seen(value, (row,), row["noisy"], None if None in peaks else peaks[1] / peaks[0])


def memory(result, threads, goal):
    """Our peak memory over the least of eager PyTorch's."""
    found = result["memory"]["found"] if threads == figures.thread_counts(result)[-1] else {}
    peers = [sizes["after"] for name, sizes in found.items() if is_eager_torch(name)]
    if figures.OURS not in found or not peers:
        return None
    return Seen(found[figures.OURS]["after"] / min(peers))


def linear(kind, low, high, streamed=None):
    """A measure: the time of one unit (an image, a layer) at `high` over that at `low`. Of
    `streamed` bytes a unit the caches hold those of `low` units and not those of `high`: at the
    peak these come from memory at the pace of its probe, and nothing else takes longer."""

    def measure(result, threads, goal):
        if threads != figures.thread_counts(result)[-1]:
            return None
        points = dict(figures.growth(result, kind))
        times = [points.get(at, {}).get(figures.OURS) for at in (low, high)]
        if None in times:
            return None
        small, large = times[0] / low, times[1] / high
        (row,) = figures.rows(result, threads, goal.suite, f"{kind} {high}$")
        at_peak = None
        if streamed and row["memory"]:
            at_peak = 1 + streamed / (row["memory"] * 1e9) / small
        return Seen(large / small, (row,), row["noisy"], at_peak)

    return measure


def both(value):
    return {1: value, 2: value}


# What Adam moves of a layer of `deep-N`: it reads weights, gradients and two moments of each, and
# writes all but the gradients. 200 layers keep 52 MB of these, 50 layers 13 MB.
ADAM_BYTES = 7 * 4 * 128 * 128

CNN = r"cnn batch (64|128) (sgd|adam)$"
PASSES = {"forward": "forward", "input_gradient": "input gradient"}
PASSES["weight_gradient"] = "weight gradient"

GOALS = (
    Goal("train step, classic MNIST CNN, batch 64 and 128, SGD and Adam (lowest)",
         "train_step", CNN, lowest, {1: 3.5, 2: 4.0}),
    Goal("train step, Keras-tutorial CNN, batch 128 (lowest)",
         "train_step", "keras batch 128 ", lowest, {1: 3.3, 2: 3.0}),
    Goal("train step, MLP 784-512-512-10, dropout .2/.5, batch 128 (lowest)",
         "train_step", "mlp batch 128 ", lowest, {1: 1.4, 2: 1.7}),
    Goal("inference, classic CNN, batch 256",
         "inference", "cnn batch 256$", lowest, both(2.2)),
    Goal("inference, classic CNN, batch 1",
         "inference", "cnn batch 1$", lowest, {1: 1.6, 2: 2.0}),
    *(
        Goal(f"conv2d {title}, {text}", "conv2d", f".* {name}$", measure, asked)
        for name, title in PASSES.items()
        for text, measure, asked in (
            ("geometric mean", mean, {1: 1.7, 2: 2.0}),
            ("worst row", lowest, both(0.8)),
        )
    ),
    Goal("matmul, geometric mean", "matmul", "", mean, {1: 1.1, 2: 1.25}),
    Goal("matmul, worst row", "matmul", "", lowest, both(0.85)),
    Goal("matmul 512 to 2048 square, share of the peak (lowest)",
         "matmul", r".. (512x512x512|1024x1024x1024|2048x2048x2048)$", lowest_share,
         {1: 0.92, 2: 0.88}, percent=True),
    Goal("dropout forward 1 M, p .5, against PyTorch",
         "dropout", "forward p0.5 1M", lowest_against_torch, both(80)),
    Goal("dropout forward 1 M, p .2, against PyTorch",
         "dropout", "forward p0.2 1M", lowest_against_torch, both(35)),
    Goal("dropout forward 1 M, p .5, against the best of all peers",
         "dropout", "forward p0.5 1M", lowest, both(20)),
    Goal("dropout forward 1 M, p .2, against the best of all peers",
         "dropout", "forward p0.2 1M", lowest, both(10)),
    Goal("dropout forward 16 M, against PyTorch (lowest)",
         "dropout", "forward p0.[25] 16M", lowest_against_torch, both(30)),
    Goal("dropout forward 16 M, against the best of all peers (lowest)",
         "dropout", "forward p0.[25] 16M", lowest, both(8)),
    Goal("dropout forward 1 M, p .5, times a plain copy of the same bytes",
         "dropout", "forward p0.5 1M", times_a_copy, both(1.4), at_most=True),
    Goal("dropout forward 1 M, p .2, times a plain copy of the same bytes",
         "dropout", "forward p0.2 1M", times_a_copy, both(3), at_most=True),
    Goal("max-pool forward and backward (lowest)",
         "pool", r"max 128x", lowest, {1: 1.3, 2: 1.0}),
    Goal("batch norm forward and backward (lowest)",
         "norm", "batch ", lowest, {1: 1.1, 2: 1.0}),
    Goal("ReLU forward", "activation", "relu forward", lowest, both(1.0)),
    Goal("Adam and SGD with momentum, 1.2 M parameters (lowest)",
         "optimizer", "(adam|sgd) ", lowest, {1: 1.8, 2: 1.3}),
    Goal("Adadelta, 1.2 M parameters", "optimizer", "adadelta ", lowest, both(4)),
    Goal("an epoch of MNIST, classic CNN, data handling included",
         "epoch", "cnn ", lowest, both(4)),
    Goal("train step, classic CNN: one thread's time over two threads' (lowest)",
         "train_step", CNN, scaling, {2: 1.75}),
    Goal("train step: the AVX2 path's ratios as a share of ours (lowest)",
         "train_step", r"(cnn batch (64|128)|keras|mlp).* (sgd|adam)$", lowest_avx2,
         both(0.8), percent=True),
    Goal("peak memory of training the classic CNN, times PyTorch's",
         "memory", "", memory, both(1), at_most=True),
    Goal("train step, time of an image at batch 256 over that at batch 64",
         "growth", "batch ", linear("batch", 64, 256), both(1.15), at_most=True),
    Goal("train step, time of a layer at depth 200 over that at depth 50",
         "growth", "depth ", linear("depth", 50, 200, ADAM_BYTES), both(1.15), at_most=True),
)  # fmt: skip


def standings(result):
    """[(goal, threads, Seen or None)] for every goal and number of threads that has one asked."""
    return [
        (goal, threads, goal.measure(result, threads, goal))
        for goal in GOALS
        for threads in figures.thread_counts(result)
        if threads in goal.asked
    ]
