"""The contest: contestants in processes of their own, asked in turn, medians of many rounds."""

import json
import os
import select
import statistics
import subprocess
import sys
from pathlib import Path

from bench.contestants import CONTESTANTS

PROBES = ("peak", "memory", "exchange")  # contestants that measure the machine: see worker.py
ROOT = Path(__file__).resolve().parent.parent
ANSWER_SECONDS = 600
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Process:
    """One contestant's process; after a crash the next question starts another."""

    def __init__(self, name, threads, environment=None):
        self.name = name
        self._command = [sys.executable, "-m", "bench.worker", name, str(threads)]
        self._environment = {
            **os.environ,
            **dict.fromkeys(THREAD_VARIABLES, str(threads)),
            **(environment or {}),
        }
        self._child = None

    def start(self):
        """Starts the process unless it runs: {}, or {"error": text} if it does not come up."""
        if self._child is not None:
            return {}
        self._child = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=ROOT, env=self._environment,
        )  # fmt: skip
        answer = self._answer()
        if "error" in answer:
            self.close()
        return answer

    def ask(self, *command):
        """The worker's answer to one command: a dict, {"error": text} if it failed or died."""
        started = self.start()
        if "error" in started:
            return started
        try:
            self._child.stdin.write(json.dumps(command) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            return self._died()
        return self._answer()

    def _answer(self):
        ready, _, _ = select.select([self._child.stdout], [], [], ANSWER_SECONDS)
        if not ready:
            self._child.kill()
            self._died()
            return {"error": f"no answer within {ANSWER_SECONDS} s"}
        line = self._child.stdout.readline()
        return json.loads(line) if line else self._died()

    def _died(self):
        code = self._child.wait()
        self.close()
        return {"error": f"crashed ({f'signal {-code}' if code < 0 else f'exit status {code}'})"}

    def close(self):
        """Ends the process and waits for it."""
        if self._child is not None:
            child, self._child = self._child, None
            try:
                child.stdin.close()
            except BrokenPipeError:
                pass
            child.stdout.close()
            child.wait()


def prepare(processes, suite, case, sample_seconds):
    """({name: (amount of work, note)}, {name: error}): every contestant builds its task of the
    case and has it verified. One for whom the case is not made appears in neither dict."""
    ready, errors = {}, {}
    for process in processes:
        answer = process.ask("prepare", suite, case.name, sample_seconds)
        if "error" in answer:
            errors[process.name] = answer["error"]
        elif "skip" not in answer:
            ready[process.name] = answer["amount"], answer["note"]
    return ready, errors


def compete(processes, ready, rounds, sample):
    """({name: (amount of work, [seconds of a run, one a round])}, {name: error}).

    Those that are `ready`, as prepare() says, are asked in turn for one sample each, `rounds`
    times, another one first each time; `sample(process)` is the answer of one of them. One that
    fails on the way appears only in the second dict.
    """
    results, errors = {name: (amount, []) for name, (amount, _) in ready.items()}, {}
    for turn in range(rounds):
        live = [process for process in processes if process.name in results]
        for process in live[turn % max(1, len(live)) :] + live[: turn % max(1, len(live))]:
            answer = sample(process)
            if "error" in answer:
                errors[process.name] = answer["error"]
                del results[process.name]
            else:
                results[process.name][1].append(answer["seconds"])
    return results, errors


def is_peer(name):
    """Whether a contestant is another library, not this project and not the measured limit."""
    return name in CONTESTANTS and CONTESTANTS[name].library != "minidrop"


def score(results):
    """A row's figures from compete()'s results: ({probe: rate or None}, {name: figures}).

    seconds: the median; spread: half of the middle half of the samples, over the median;
    rate: thousand millions of work a second; share: of the peak's rate; ratio: the median of the
    best peer over this one's, so that more than 1 is faster than every peer.
    """
    medians = {name: statistics.median(samples) for name, (_, samples) in results.items()}
    rates = {name: results[name][0] / seconds / 1e9 for name, seconds in medians.items()}
    probes = {name: rates.get(name) for name in PROBES}
    peak = probes["peak"]
    peers = [seconds for name, seconds in medians.items() if is_peer(name)]
    figures = {}
    for name, (_, samples) in results.items():
        if name in PROBES:
            continue
        low, high = _quartiles(samples)
        figures[name] = {
            "seconds": medians[name],
            "spread": (high - low) / 2 / medians[name],
            "rate": rates[name],
            "share": rates[name] / peak if peak else None,
            "ratio": min(peers) / medians[name] if peers else None,
            "samples": samples,
        }
    return probes, figures


def _quartiles(samples):
    if len(samples) < 2:
        return samples[0], samples[0]
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return low, high
