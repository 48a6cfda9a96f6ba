"""A run of rows on one number of threads, from the contestants' processes to JSON figures."""

import os
import tempfile
import time
from contextlib import contextmanager

from bench import machine, peak, steadiness, suites, text
from bench.contest import PROBES, Process, compete, prepare, score
from bench.contestants import CONTESTANTS
from bench.cores import Cores
from bench.expected import FOLDER_VARIABLE

SAMPLE_SECONDS = 0.03
WATCH = {"OMP_WAIT_POLICY": "passive"}  # a thread that still spins would disturb the next sample
REPEAT_SHARE = 0.15  # of a run's time at most goes into measuring unsteady rows again


class Session:
    """Runs rows on `threads` threads with the contestants `names`. `show(text)` is told of each."""

    def __init__(self, threads, names, rounds, show, sample_seconds=SAMPLE_SECONDS):
        self.threads, self.rounds, self.show = threads, rounds, show
        self.sample_seconds = sample_seconds
        self.names = list(names)
        self.processes = {}
        self._watch = Process("peak", threads, WATCH)
        self.cores = Cores(self._glance)

    def run(self, chosen):
        """{"threads", "peak", "other_load", "stolen", "again", "unsure", "rows"} of the rows
        [(suite, case)]; cores.py tells what `again` and `unsure` count."""
        load = machine.OtherLoad()
        rows = []
        self.show(f"\n== {self.threads} thread{'s' if self.threads > 1 else ''} ==")
        with shared_references(), self._processes():
            limits = self.processes["peak"].ask("measure_peak")
            self.show(limits["error"] if "error" in limits else peak.describe(limits))
            if rates := limits.get("fma"):
                self.cores.remember(1e9 * next(iter(rates.values())))  # the active set's
            began = time.monotonic()
            for suite, case in chosen:
                rows.append(self._row(suite, case))
                self.show(text.block(rows[-1]))
            self._ask_again(chosen, rows, REPEAT_SHARE * (time.monotonic() - began))
        return {
            "threads": self.threads,
            "peak": limits,
            "other_load": load.share(),
            "stolen": load.stolen(),
            "again": self.cores.again,
            "unsure": self.cores.unsure,
            "rows": rows,
        }

    @contextmanager
    def _processes(self):
        """Starts the contestants; those that do not come up are named and left out."""
        try:
            for name in PROBES:
                self.processes[name] = Process(name, self.threads)
            for name in self.names:
                process = Process(name, self.threads, CONTESTANTS[name].environment)
                if "error" in (answer := process.start()):
                    self.show(f"{name} left out: {answer['error']}")
                else:
                    self.processes[name] = process
            yield
        finally:
            for process in (self._watch, *self.processes.values()):
                process.close()

    def _glance(self):
        """The cores' rate at a glance; None where minidrop is not built."""
        return self._watch.ask("glance").get("rate")

    def _row(self, suite, case):
        """One row as a dict that can be written as JSON."""
        began, load = time.monotonic(), machine.OtherLoad()
        name = suites.name_of(suite)
        wanted = (*suite.CONTESTANTS, *PROBES)
        chosen = [self.processes[n] for n in wanted if n in self.processes]
        ready, failed = prepare(chosen, name, case, self.sample_seconds)
        results, errors = compete(chosen, ready, self.rounds, self.cores.sample)
        probes, contestants = score(results)
        drifts = [steadiness.drift(n, results[n][1]) for n in PROBES if n in results]
        for contestant, figures in contestants.items():
            figures["note"] = ready[contestant][1]
        return {
            "suite": name,
            "case": case.name,
            "threads": self.threads,
            "unit": case.unit,
            "amount": float(case.amount),
            "traffic": case.traffic and float(case.traffic),
            **probes,
            "drift": max(drifts, default=0.0),
            "asked": 1,
            "stolen": load.stolen(),
            "took": time.monotonic() - began,
            "contestants": contestants,
            "failed": failed | errors,
        }

    def _ask_again(self, chosen, rows, seconds):
        """Measures unsteady rows once more, the worst first, as long as `seconds` last; of both
        measurements the steadier one stays. Says of every row whether it is still unsteady."""
        deadline, usual = time.monotonic() + seconds, steadiness.usual(rows)
        found = [steadiness.unsteadiness(row, usual) for row in rows]
        for i in sorted(range(len(rows)), key=found.__getitem__, reverse=True):
            if found[i] <= 1 or time.monotonic() > deadline:
                break
            self.show(f"\nnot steady ({found[i]:.1f} of the limit), asked again:")
            again = self._row(*chosen[i])
            self.show(text.block(again))
            if (moved := steadiness.unsteadiness(again, usual)) < found[i]:
                rows[i], found[i] = again, moved
            rows[i]["asked"] = 2
        for row, moved in zip(rows, found, strict=True):
            row["noisy"] = moved > 1


@contextmanager
def shared_references():
    """Lets the contestants' processes share the references they are compared with."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ[FOLDER_VARIABLE] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER_VARIABLE]


def measure_memory(names, threads, suite_name, case_name):
    """{"case", "found"}, found being {contestant: {"before", "after"}}: the most bytes
    resident of a fresh process with the library imported, and after some runs of the case. Those
    for whom the case is not made, or that cannot tell, are left out."""
    suite, _ = suites.find(suite_name, case_name)
    found = {}
    for name in names:
        if name in suite.CONTESTANTS:
            process = Process(name, threads, CONTESTANTS[name].environment)
            answer = process.ask("measure_memory", suite_name, case_name)
            process.close()
            if "after" in answer:
                found[name] = answer
    return {"case": f"{suite_name} {case_name}", "found": found}
