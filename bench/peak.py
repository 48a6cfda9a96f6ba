"""The machine's limits, measured in the run that quotes them.

    python -m bench.peak [--threads 1,2] [--json FILE]

- FMA: independent multiply-adds in registers, GFLOP/s (a multiply-add counts as two), for each
  instruction set: what no program can pass.
- tile: the micro-kernel of matmul and convolution, its operands in L1: what they can reach where
  loads and multiply-adds get in each other's way.
- copy: GB/s read plus written by a plain copy (the C library's memcpy, under `numpy.copyto`),
  every thread on arrays of its own, for sizes that live in L1, L2, L3 and memory.
- exchange: GB/s that the threads read, each of what the next one has just written, the time of
  writing counted too. The host of a virtual machine may move two processors apart, where they share
  no cache, and back within seconds: then this figure falls to a third, and the others stay.

Each figure is the median of many short samples: the clock of a busy machine moves.
"""

import argparse
import json
import math
import statistics
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
from numpy.lib.stride_tricks import as_strided

from bench import machine
from bench.arrays import bytes_on_a_line

# Bytes of one of the two arrays a thread copies between. L2 and L3 differ from machine to
# machine; these sizes fall into the named level on those of the last ten years.
LEVELS = {"L1": 8 << 10, "L2": 192 << 10, "L3": 4 << 20, "memory": 256 << 20}
SAMPLES = 31
FMA_FLOP = 5e8  # of one sample and thread: 2 to 10 ms


def fma_runner(kernel="fma_peak", flop=FMA_FLOP):
    """(run, FLOP of one run): multiply-adds on md.get_num_threads() threads under the active
    instruction set, about `flop` on each. ImportError where minidrop is not built."""
    import minidrop as md
    from minidrop import _kernels

    trial = 1000
    wanted = flop * md.get_num_threads()  # by count: a clock can be held up by others
    run = getattr(_kernels, kernel)
    iterations = math.ceil(trial * wanted / run(trial))
    return lambda: run(iterations), run(iterations)


def _copy(size, at_least):
    """(copy, bytes it moves): a call that copies `size` bytes between the same two arrays,
    over and over until at least `at_least` bytes have been read or written.

    A call of numpy costs as much as copying a few kilobytes, so the repetition must happen below
    it: the arrays are seen through windows, each a cache line further on than the last, eight to
    a dimension. Numpy then copies one window after the other in one call without the GIL.
    """
    repeats = math.ceil(at_least / (2 * size))
    depth = max(0, math.ceil(math.log(repeats, 8)))
    shape = (8,) * depth + (size,)
    strides = (64,) * depth + (1,)
    source, target = (
        as_strided(bytes_on_a_line(size + depth * 7 * 64), shape, strides) for _ in range(2)
    )
    return lambda: np.copyto(target, source), 2 * size * 8**depth


def copy_runner(size, threads, at_least=64 << 20):
    """(run, bytes of one run): `threads` threads copy `size` bytes each, between arrays of their
    own, again and again until each has moved `at_least` bytes (a run of some milliseconds)."""
    copies = [_copy(size, at_least) for _ in range(threads)]
    moved = sum(count for _, count in copies)
    if threads == 1:
        return copies[0][0], moved
    pool = ThreadPoolExecutor(threads)

    def run():
        for waiting in [pool.submit(copy) for copy, _ in copies]:
            waiting.result()

    return run, moved


def exchange_runner():
    """(run, bytes of one run): md.get_num_threads() threads read each other's 256 KB, for some
    milliseconds; None for one thread. ImportError where minidrop is not built."""
    import minidrop as md
    from minidrop import _kernels

    if md.get_num_threads() == 1:
        return None
    rounds = 200
    return lambda: _kernels.exchange(rounds), _kernels.exchange(rounds)


def rate(runner, samples=SAMPLES):
    """The median rate of a runner, in thousand millions a second."""
    run, amount = runner
    run()
    seconds = []
    for _ in range(samples):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return amount / statistics.median(seconds) / 1e9


def fma_rates(threads, kernel="fma_peak"):
    """{instruction set: GFLOP/s} on `threads` threads, the active one first; it stays active."""
    import minidrop as md

    active, rates = md.isa(), {}
    md.set_num_threads(threads)
    try:
        for isa in dict.fromkeys((active, *md.available_isas())):
            if isa == active or isa != "reference":
                md.use_isa(isa)
                rates[isa] = rate(fma_runner(kernel))
    finally:
        md.use_isa(active)
    return rates


def measure_peak(threads):
    """The limits on `threads` threads: {"threads", "fma": {isa: GFLOP/s}, "tile": as "fma",
    "copy": {level: GB/s}, "exchange": GB/s or None for one thread}. The first two are empty, and
    the last None, where minidrop is not built. Takes seconds; call it in a process that was pinned
    before it made a thread (`peak_in_own_process` does)."""
    fma, tile, exchange = {}, {}, None
    try:
        fma, tile = fma_rates(threads), fma_rates(threads, "tile_peak")
        runner = exchange_runner()  # on the threads that fma_rates chose
        exchange = rate(runner) if runner else None
    except ImportError:
        pass
    copy = {
        level: rate(copy_runner(size, threads), samples=9 if level == "memory" else SAMPLES)
        for level, size in LEVELS.items()
    }
    return {"threads": threads, "fma": fma, "tile": tile, "copy": copy, "exchange": exchange}


def peak_in_own_process(threads):
    """measure_peak(threads), in a fresh process kept on `threads` processors."""
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=machine.pin, initargs=(threads,)) as pool:
        return pool.submit(measure_peak, threads).result()


def describe(peak):
    """A peak as lines of text."""
    fma, tile = (
        "   ".join(f"{isa} {value:.0f}" for isa, value in peak[kind].items())
        for kind in ("fma", "tile")
    )
    copy = "   ".join(f"{level} {value:.0f}" for level, value in peak["copy"].items())
    lines = [
        f"FMA GFLOP/s   {fma or 'not measured: minidrop is not built'}",
        f"tile GFLOP/s  {tile or 'not measured'}",
        f"copy GB/s     {copy}",
    ]
    if peak["exchange"]:
        lines.append(f"exchange GB/s {peak['exchange']:.0f}")
    return "\n".join(lines)


def thread_counts(text):
    """`1,2` as [1, 2]; for argparse."""
    counts = [int(part) for part in text.split(",")]
    if any(count < 1 for count in counts):
        raise argparse.ArgumentTypeError(f"thread counts must be at least 1, got {text}")
    return counts


def main():
    parser = argparse.ArgumentParser(
        prog="python -m bench.peak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--threads", type=thread_counts, default=[1, 2], help="such as 1,2")
    parser.add_argument("--json", metavar="FILE", help="write the figures here too")
    options = parser.parse_args()

    where = machine.describe()
    print(f"{where['processor']}, {where['cores']} cores, {where['system']}")
    peaks = []
    for threads in options.threads:
        peaks.append(peak_in_own_process(threads))
        print(f"\n{threads} thread{'s' if threads > 1 else ''}\n{describe(peaks[-1])}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": where, "peaks": peaks}, file, indent=1)


if __name__ == "__main__":
    main()
