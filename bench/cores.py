"""Samples on whole cores.

The host of a virtual machine may run two of its processors on the two halves of one core, or lend
the other half to a neighbour, for a second or so. Nobody's time is withheld then, and no system
counts it, but whatever keeps a core busy takes up to twice as long. Four milliseconds of
multiply-adds in registers show it. They are timed right before and right after each sample, and one
that was not taken on whole cores is taken again, whatever it says of its contestant.
"""

import time
from collections import deque

WHOLE = 0.85  # of the best rate of multiply-adds; a clock that moves by a tenth stays above
MEMORY_SECONDS = 120.0  # a machine that has been slower for so long is a slower machine
WAIT_SHARE = 0.25  # of a run's time at most goes into waiting for whole cores


class Cores:
    """Takes samples of contestants while `look()`, a rate of multiply-adds or None where there is
    none, shows whole cores."""

    def __init__(self, look, clock=time.monotonic):
        self._look, self._clock = look, clock
        self._began, self._waited = clock(), 0.0
        self._best = deque()  # (when, rate) of the best look, of the best one after it, and so on
        self._whole = False  # when last looked at
        self.again = 0  # samples that were taken again
        self.unsure = 0  # samples that stayed, though the cores were not whole

    def remember(self, rate):
        """Compares the looks of the next two minutes with this rate too."""
        now = self._clock()
        while self._best and self._best[-1][1] <= rate:
            self._best.pop()
        self._best.append((now, rate))
        while self._best[0][0] < now - MEMORY_SECONDS:
            self._best.popleft()

    def sample(self, process):
        """The process's answer to `sample`: the first one on whole cores, or whatever comes when
        waiting has taken its share of the time."""
        while True:
            self._wait()
            began, whole = self._clock(), self._whole
            answer = process.ask("sample")
            whole = self._are_whole() and whole
            if "error" in answer or whole:
                return answer
            if not self._may_wait():
                self.unsure += 1
                return answer
            self.again += 1
            self._waited += self._clock() - began

    def _wait(self):
        """Until the cores are whole. Right after a sample that ended so, they are."""
        while not self._whole and self._may_wait():
            began = self._clock()
            self._are_whole()
            self._waited += self._clock() - began

    def _may_wait(self):
        return self._waited <= WAIT_SHARE * (self._clock() - self._began)

    def _are_whole(self):
        rate = self._look()
        if rate is not None:
            self.remember(rate)
        self._whole = rate is None or rate >= WHOLE * self._best[0][1]
        return self._whole
