"""How steady the machine was while a row was measured.

Probes take part in every row: multiply-adds in registers (or a copy of the row's size); copies in
memory, which neighbours on the memory bus slow down without touching a processor; and, for several
threads, what one core reads of another's, which is slow while the host of a virtual machine runs
them where they share no cache. A row is unsteady where a probe moved during its rounds, or ran
slower than it usually did in this run.
What the contestants took plays no part: a row is never asked again for its result.
"""

import statistics

from bench.contest import PROBES

# Beyond which a row is measured again, and marked if it stays so. Exchange moves by a quarter on a
# machine that is otherwise still, and by a factor of five where the cores share no cache.
LIMITS = {"peak": 0.15, "memory": 0.15, "exchange": 0.5}


def drift(probe, samples):
    """By how much the first third of a probe's samples differs from the last (the median of one
    over that of the other, less 1), in parts of its limit. 0 for fewer than three samples."""
    third = len(samples) // 3
    if third == 0:
        return 0.0
    first, last = statistics.median(samples[:third]), statistics.median(samples[-third:])
    return (max(first, last) / min(first, last) - 1) / LIMITS[probe]


def usual(rows):
    """{probe: the rate that three quarters of the rows do not exceed}, None where there is none."""
    rates = {name: sorted(filter(None, (_rate(row, name) for row in rows))) for name in PROBES}
    return {name: found[3 * len(found) // 4] if found else None for name, found in rates.items()}


def _rate(row, probe):
    """A probe's rate that can be compared with that in other rows: not that of copies as large as
    the row, which differs from row to row."""
    return None if probe == "peak" and row["unit"] != "FLOP" else row[probe]


def unsteadiness(row, usual):
    """By how much a probe moved during a row or stayed behind its usual rate, in parts of its
    limit, the most of these: above 1 the row is unsteady."""
    rates = [(name, usual[name], _rate(row, name)) for name in PROBES]
    behind = [(best / rate - 1) / LIMITS[name] for name, best, rate in rates if best and rate]
    return max([row["drift"], *behind])
