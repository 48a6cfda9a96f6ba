"""The text of a run: one block a case, one line a contestant, and a summary."""

import math
from collections import Counter

UNITS = {"FLOP": "GFLOP/s", "byte": "GB/s", "bit": "Gbit/s"}


def duration(seconds):
    """Seconds in the unit that reads well, three digits."""
    for size, unit in ((1, "s "), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= size:
            return f"{_digits(seconds / size)} {unit}"
    return f"{_digits(seconds * 1e9)} ns"


def _digits(value):
    """Three significant digits without an exponent."""
    if value <= 0:
        return "0"
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def block(row):
    """One row of results as lines of text."""
    unit = UNITS[row["unit"]]
    title = f"{row['suite']}  {row['case']}"
    threads = f"{row['threads']} thread{'s' if row['threads'] > 1 else ''}"
    limit = f"   peak {_digits(row['peak'])} {unit}" if row["peak"] else ""
    limit += f"   memory {_digits(row['memory'])} GB/s" if row["memory"] else ""
    limit += f"   exchange {_digits(row['exchange'])} GB/s" if row["exchange"] else ""
    lines = [f"\n{title:<50} {threads}{limit}"]
    for name, figures in row["contestants"].items():
        share = f"{figures['share']:>5.0%}" if figures["share"] else "     "
        ratio = f"{figures['ratio']:>8.2f}x" if figures["ratio"] else ""
        lines.append(
            f"  {name:<15}{duration(figures['seconds']):>9} ±{figures['spread']:<4.0%}"
            f"{_digits(figures['rate']):>8} {unit:<7} {share} {ratio}"
        )
    lines += [f"  {name:<15}FAILED: {error}" for name, error in row["failed"].items()]
    return "\n".join(lines)


def summary(rows, ours="minidrop"):
    """Per suite and thread count: how we stand against the best peer of each row."""
    lines = []
    groups = {}
    for row in rows:
        figures = row["contestants"].get(ours)
        if figures and figures["ratio"]:
            groups.setdefault((row["suite"], row["threads"]), []).append((figures["ratio"], row))
    if groups:
        lines.append(f"\n{ours} against the best peer of each row (more than 1 is faster)")
    for (suite, threads), standing in groups.items():
        ratios = [ratio for ratio, _ in standing]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        lowest, row = min(standing, key=lambda entry: entry[0])
        lines.append(
            f"  {suite:<12}{threads} T   rows {len(ratios):>3}   geometric mean {mean:6.2f}x   "
            f"lowest {lowest:6.2f}x ({row['case']})"
        )
    failures = Counter(name for row in rows for name in row["failed"])
    for name, count in failures.items():
        lines.append(f"FAILED: {name} in {count} rows, see above")
    return "\n".join(lines)
