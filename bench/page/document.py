"""The page: what was asked and seen first, then the charts, then every figure."""

from bench.page import charts, figures, goals, tables
from bench.suites import growth

HEAD = """# minidrop beside its peers

Made by `python -m bench.peers --report`; [bench/README.md](../README.md) tells what the contestants
are and what the method guards against. The figures behind everything here: `results.json`.
"""
QUICK = """
**This is a quick run: a few rows, {rounds} rounds of short samples. It shows that the machinery
works; its figures are not to be quoted.**
"""
READING = """
Times are medians of {rounds} rounds, ± half the width of the middle half. A ratio above 1x is
faster than the peer. *To PyTorch* means the fastest eager PyTorch of the row; *the best peer* is
the fastest of all contestants that are not minidrop. Samples that were not taken on whole cores, as
multiply-adds right before and after them tell, were taken again. `~` marks rows during which the
machine was not steady, though they were asked again: multiply-adds, copies in memory, or what one
core reads of another's, timed in the same rounds, moved by more than 15 % (the last of them by
half) or stayed as far behind the usual of the run. What stands there is not to be trusted.
"""

SHORT = """
### What falls short

*At the peak* is the figure if ours ran at the limit that was measured in the rounds of the same
row: multiply-adds in registers for arithmetic, a plain copy of as many bytes for the rest; for
depth, what Adam moves of a layer at the pace of copies in memory. Where it falls short of what is
asked, the machine forbids it to a kernel that does the work as it is counted; Winograd's saves
multiplications, and work in place or in the cache may pass a copy.
"""


def compose(result, folder):
    """The whole page as Markdown; its charts are written into `folder`."""
    standings = goals.standings(result)
    drawn = charts.draw(result, standings, folder)
    parts = [HEAD]
    if result["quick"]:
        parts.append(QUICK.format(rounds=result["rounds"]))
    parts += [_machine(result), "\n## Asked and seen\n", READING.format(rounds=result["rounds"])]
    parts += [_verdict(standings), tables.goals(standings), ""]
    if short := tables.shortfalls(standings):
        parts += [SHORT, short]
    parts += _charts(drawn)
    parts += _suites(result) + _growth(result) + _memory(result) + _failures(result)
    return "\n".join(parts) + "\n"


def _machine(result):
    where = result["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    lines = [
        "\n## The machine\n",
        f"{where['processor']}, {where['cores']} cores, {where['system']}, "
        f"Python {where['python']}. {libraries}. The whole run took "
        f"{result['seconds'] / 60:.0f} minutes.",
    ]
    if result["left_out"]:
        lines.append(f"Left out, not installed: {', '.join(result['left_out'])}.")
    lines += [
        "\nIts limits, measured in the same run:\n", tables.peaks(result),
        "\nWhat was not ours, as shares of the processors' time:\n", tables.noise(result),
    ]  # fmt: skip
    return "\n".join(lines)


def _verdict(standings):
    found = [(goal, threads, seen) for goal, threads, seen in standings if seen]
    met = sum(goal.met(seen, threads) for goal, threads, seen in found)
    missing = len(standings) - len(found)
    text = f"{met} of {len(found)} figures meet what is asked"
    return text + (f"; {missing} were not measured.\n" if missing else ".\n")


def _charts(drawn):
    if not drawn:
        return ["\nNo charts: they need matplotlib (`pip install minidrop[plot]`).\n"]
    parts = ["\n## Charts\n"]
    for name, title in drawn:
        parts += [f"![{title}]({name})\n", f"*{title}*\n"]
    return parts


def _suites(result):
    parts = []
    names = dict.fromkeys(row["suite"] for run in result["runs"] for row in run["rows"])
    for name in names:
        if name == "growth":
            continue
        parts.append(f"\n## {name}\n")
        for threads in figures.thread_counts(result):
            if rows := figures.rows(result, threads, name):
                parts += [f"\n### {name}, {_threads(threads)}\n", tables.suite_rows(rows), ""]
                parts += [tables.standing(rows)]
    return parts


def _threads(count):
    return f"{count} thread{'s' if count > 1 else ''}"


def _growth(result):
    parts = []
    for kind, unit in growth.UNITS.items():
        if points := figures.growth(result, kind):
            parts += [f"\n### {kind}\n", tables.growth(points, unit)]
    if parts:
        threads = figures.thread_counts(result)[-1]
        parts.insert(0, f"\n## Growth, {_threads(threads)}\n\n{_growth_text()}")
    if gains := tables.scaling(result):
        parts += ["\n### threads\n", "Time on one thread over the time on more:\n", gains]
    return parts


def _growth_text():
    """The rows as the suite itself explains them."""
    return growth.__doc__.partition("\n\n")[2].strip()


def _memory(result):
    measured = result["memory"]
    if not measured["found"]:
        return []
    threads = _threads(figures.thread_counts(result)[-1])
    return [
        "\n## Peak memory\n",
        f"The most a fresh process had resident on {threads}: with the library imported, and after "
        f"ten runs of `{measured['case']}`.\n",
        tables.memory(measured),
    ]


def _failures(result):
    lines = [
        f"- {figures.name_of(row)}, {_threads(run['threads'])}: {name}: {error}"
        for run in result["runs"]
        for row in run["rows"]
        for name, error in row["failed"].items()
    ]
    return ["\n## Failures\n", *lines] if lines else []
