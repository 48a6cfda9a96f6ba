"""Numbers out of the results of a run, as session.py leaves them."""

import math
import re

from bench.contest import is_peer
from bench.contestants import CONTESTANTS

OURS = "minidrop"


def run_on(result, threads):
    """The run on so many threads, or None."""
    return next((run for run in result["runs"] if run["threads"] == threads), None)


def rows(result, threads, suite, pattern=""):
    """The rows of one suite on `threads` threads whose case matches the regular expression from
    its beginning."""
    run = run_on(result, threads)
    return [
        row
        for row in (run["rows"] if run else ())
        if row["suite"] == suite and re.match(pattern, row["case"])
    ]


def seconds(row, name=OURS):
    """The median of one contestant, or None if it did not run."""
    figures = row["contestants"].get(name)
    return figures and figures["seconds"]


def is_eager_torch(name):
    return is_peer(name) and CONTESTANTS[name].library == "torch" and not CONTESTANTS[name].compiled


def best(row, among=is_peer):
    """(name, seconds) of the fastest contestant for which `among(name)` holds, or None."""
    times = [(seconds(row, name), name) for name in row["contestants"] if among(name)]
    return min(times)[::-1] if times else None


def ratio(row, among=is_peer):
    """The fastest of `among` over ours, more than 1 where we are faster; None if one is missing."""
    ours, other = seconds(row), best(row, among)
    return other[1] / ours if ours and other else None


def over_copy(row):
    """Our time over that of a plain copy of as many bytes, or None."""
    figures = row["contestants"].get(OURS)
    return 1 / figures["share"] if figures and figures["share"] else None


def share(row):
    """Our rate as a share of the measured peak, or None."""
    figures = row["contestants"].get(OURS)
    return figures and figures["share"]


def fma(result, threads):
    """{instruction set: GFLOP/s} of the measured multiply-adds, the active one first."""
    run = run_on(result, threads)
    return run["peak"].get("fma", {}) if run else {}


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def thread_counts(result):
    return [run["threads"] for run in result["runs"]]


def name_of(row):
    return f"{row['suite']} {row['case']}"


def growth(result, kind):
    """[(value, {contestant: seconds})] of one kind of growth, in order."""
    found = []
    for run in result["runs"]:
        for row in run["rows"]:
            if row["suite"] == "growth" and row["case"].startswith(kind + " "):
                times = {name: seconds(row, name) for name in row["contestants"]}
                found.append((int(row["case"].split()[1]), times))
    return sorted(found, key=lambda point: point[0])
