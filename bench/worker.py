"""The process of one contestant: `python -m bench.worker NAME THREADS`, started by contest.py.

It reads one JSON list a line and answers each with one JSON object a line:

    ["prepare", suite, case, seconds]   builds the task, checks its outputs, estimates its time
    ["sample"]                          the seconds of one run, over a sample of some `seconds`
    ["measure_memory", suite, case]     the most memory that running the case took
    ["measure_peak"]                    only of the probe `peak`: bench.peak's figures
    ["glance"]                          only of the probe `peak`: the rate of 4 ms

`{"error": text}` stands for any failure, `{"skip": true}` for a case that is not for this
contestant.
"""

import json
import os
import sys
import time

from bench import machine, peak, suites
from bench.contestants import CONTESTANTS

SETTLE_SECONDS = 0.004
LONG_SECONDS = 0.15  # of a run that a cold start does not change
MEMORY_RUNS = 10
MEMORY_BYTES = 64 << 20  # of what the probe of memory copies: more than caches hold
REST_SECONDS = 0.01
GLANCES, GLANCE_FLOP = 4, 1e8  # at the cores: runs, and what each thread does in one
LONGEST_REST_SECONDS = 1.0


def set_threads(library, threads):
    """The thread count, where a library has a call for it; the others read the environment that
    contest.py sets, and XLA counts the processors it may use."""
    if library == "torch":
        import torch

        torch.set_num_threads(threads)
    elif library == "minidrop":
        import minidrop as md

        md.set_num_threads(threads)
    else:
        __import__(library)


def rest():
    """Sleeps until the threads of this process sleep too. The pools of OpenMP and OpenBLAS spin
    for many milliseconds after their last work, and would slow down whoever is asked next. While
    one of them does, the processor time of a nap is the nap's length, not a tenth of it. A nap is
    longer than a tick of the system's clock, which counts that time."""
    deadline = time.monotonic() + LONGEST_REST_SECONDS
    while True:
        before = time.process_time()
        time.sleep(REST_SECONDS)
        if time.process_time() - before < 0.1 * REST_SECONDS or time.monotonic() > deadline:
            return


def time_runs(run, count):
    """Seconds of one run, over `count` of them."""
    start = time.perf_counter()
    for _ in range(count):
        run()
    return (time.perf_counter() - start) / count


class Worker:
    """A contestant's answers. Subclasses say what the work of a case is."""

    def __init__(self, threads):
        self.threads = threads
        self.run, self.count, self.seconds, self.note = None, 1, 0.0, ""

    def work(self, suite, case):
        """(run, its amount of work) with the outputs verified, or None if it is not for us."""
        raise NotImplementedError

    def prepare(self, suite_name, case_name, sample_seconds):
        self.run = None
        suite, case = suites.find(suite_name, case_name)
        work = self.work(suite, case)
        if work is None:
            return {"skip": True}
        run, amount = work
        run()
        seconds = time_runs(run, 1)
        if seconds < sample_seconds:
            seconds = time_runs(run, max(1, int(sample_seconds / seconds)))
        self.run, self.count, self.seconds = run, max(1, round(sample_seconds / seconds)), seconds
        rest()
        return {"seconds": seconds, "amount": float(amount), "note": self.note}

    def sample(self):
        start = time.perf_counter()
        while self.seconds < LONG_SECONDS and time.perf_counter() - start < SETTLE_SECONDS:
            self.run()  # wakes the pool, fills the caches again
        seconds = time_runs(self.run, self.count)
        rest()
        return {"seconds": seconds}


class LibraryWorker(Worker):
    """One library in one configuration."""

    def __init__(self, contestant, threads):
        super().__init__(threads)
        self.contestant = contestant
        set_threads(contestant.library, threads)

    def work(self, suite, case):
        if self.contestant.compiled:
            import torch

            torch.compiler.reset()  # what it compiled for other rows counts towards its limit
        task = suite.make(self.contestant, case)
        if task is None:
            return None
        suite.verify(case, task.outputs())
        self.note = task.note
        return task.run, case.amount

    def measure_memory(self, suite_name, case_name):
        """Bytes of the process at most: "before" the case was built, and "after" some runs of it.
        Only the first question of a process can be answered so, and nothing is verified: the
        reference would need memory too."""
        before = machine.most_memory()
        suite, case = suites.find(suite_name, case_name)
        task = suite.make(self.contestant, case)
        if task is None or before is None:
            return {"skip": True}
        for _ in range(MEMORY_RUNS):
            task.run()
        return {"before": before, "after": machine.most_memory()}


class PeakWorker(Worker):
    """Takes part in every row as the measured limit: multiply-adds in registers for rows counted
    in FLOP, a plain copy of as many bytes for rows counted in bytes."""

    _glance = None

    def work(self, suite, case):
        if case.unit == "FLOP":
            try:
                set_threads("minidrop", self.threads)
                return peak.fma_runner()
            except ImportError:
                return None  # not built: rows without a share, and the head of the run says so
        if case.unit == "byte":
            size = max(64, int(case.amount / 2 / self.threads))
            return peak.copy_runner(size, self.threads, at_least=8 << 20)
        return None

    def measure_peak(self):
        return peak.measure_peak(self.threads)

    def glance(self):
        """The best rate of some milliseconds of multiply-adds: on half a core none is good, and
        on whole ones the system may start a thread late. No rest follows: whoever looks at the
        cores starts this process with OMP_WAIT_POLICY=passive, so that its threads sleep at once.
        """
        if self._glance is None:
            set_threads("minidrop", self.threads)
            self._glance = peak.fma_runner(flop=GLANCE_FLOP)
        run, amount = self._glance
        return {"rate": amount / min(time_runs(run, 1) for _ in range(GLANCES))}


class MemoryWorker(Worker):
    """Takes part in every row with copies in memory: see steadiness.py."""

    def work(self, suite, case):
        return peak.copy_runner(MEMORY_BYTES // self.threads, self.threads)


class ExchangeWorker(Worker):
    """Takes part in every row of several threads with what one core reads of another's."""

    def work(self, suite, case):
        try:
            set_threads("minidrop", self.threads)
            return peak.exchange_runner()
        except ImportError:
            return None


PROBES = {"peak": PeakWorker, "memory": MemoryWorker, "exchange": ExchangeWorker}


def main():
    name, threads = sys.argv[1], int(sys.argv[2])
    machine.pin(threads)
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer

    def answer(reply):
        replies.write(json.dumps(reply) + "\n")
        replies.flush()

    try:
        if name in PROBES:
            worker = PROBES[name](threads)
        else:
            worker = LibraryWorker(CONTESTANTS[name], threads)
    except Exception as error:  # a library that is installed, but broken
        return answer({"error": f"{type(error).__name__}: {error}"})
    answer({})
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        try:
            answer(getattr(worker, command)(*arguments))
        except Exception as error:  # any failure is one contestant's row, never the run's end
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
