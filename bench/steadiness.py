"""How steady the machine was while a row was measured.

Two probes take part in every row: multiply-adds in registers (or a copy of the row's size), and
copies in memory, which neighbours on the memory bus slow down without touching a processor. A row
is unsteady where a probe moved during its rounds, or ran slower than it usually did in this run.
What the contestants took plays no part: a row is never asked again for its result.
"""

import statistics

LIMIT = 0.15  # beyond which a row is measured again, and marked if it stays so


def drift(samples):
    """By how much the first third of the samples differs from the last: the median of one over
    that of the other, less 1. 0 for fewer than three samples."""
    third = len(samples) // 3
    if third == 0:
        return 0.0
    first, last = statistics.median(samples[:third]), statistics.median(samples[-third:])
    return max(first, last) / min(first, last) - 1


def usual(rows):
    """{"peak", "memory"}: the rates that three quarters of the rows do not exceed. That of copies
    as large as the row differs from row to row, and is left out; None where there is none."""
    peaks = sorted(row["peak"] for row in rows if row["unit"] == "FLOP" and row["peak"])
    memory = sorted(row["memory"] for row in rows if row["memory"])
    return {
        name: rates[3 * len(rates) // 4] if rates else None
        for name, rates in (("peak", peaks), ("memory", memory))
    }


def unsteadiness(row, usual):
    """By how much a probe moved during a row or stayed behind its usual rate, the larger of the
    two: 0.15 is 15 %."""
    found = [row["drift"]]
    if row["unit"] == "FLOP" and row["peak"] and usual["peak"]:
        found.append(usual["peak"] / row["peak"] - 1)
    if row["memory"] and usual["memory"]:
        found.append(usual["memory"] / row["memory"] - 1)
    return max(found)
