"""Samples on whole cores.

The host of a virtual machine may run two of its processors on the two halves of one core, or lend
the other half to a neighbour, for a second or so. Nobody's time is withheld then, and no system
counts it, but whatever keeps a core busy takes up to twice as long. Multiply-adds in registers show
it within a millisecond. They are timed right before and right after each sample, and a sample that
was not taken on whole cores is taken again, whatever it says of its contestant.
"""

import time
from bisect import insort

WHOLE = 0.88  # of the usual rate of multiply-adds; a clock that moves stays above
WAIT_SHARE = 0.25  # of a run's time at most goes into waiting for whole cores


class Cores:
    """Takes samples of contestants while `look()`, a rate of multiply-adds or None where there is
    none, shows whole cores."""

    def __init__(self, look, clock=time.monotonic):
        self._look, self._clock = look, clock
        self._began, self._waited = clock(), 0.0
        self._rates = []
        self._whole = False  # when last looked at
        self.again = 0  # samples that were taken again
        self.unsure = 0  # samples that stayed, though the cores were not whole

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
        """Against the rate that three quarters of all looks did not exceed."""
        rate = self._look()
        if rate is None:
            self._whole = True
        else:
            insort(self._rates, rate)
            self._whole = rate >= WHOLE * self._rates[3 * len(self._rates) // 4]
        return self._whole
