"""The tables of the page, in Markdown."""

from bench.page import figures
from bench.page.figures import best, is_eager_torch, ratio
from bench.text import UNITS, duration

NOISY = " ~"  # behind a figure of an unsteady machine


def table(heads, lines):
    """A Markdown table: the first column to the left, the others to the right."""
    marks = ["---"] + ["---:"] * (len(heads) - 1)
    rows = [heads, marks, *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def factor(value):
    return "–" if value is None else f"{value:.0f}x" if value >= 20 else f"{value:.2f}x"


def _percent(value):
    return "–" if value is None else f"{value:.0%}"


def goals(standings):
    """Every goal once, asked, seen and met side by side for each number of threads."""
    counts = sorted({threads for _, threads, _ in standings})
    heads = ["work"]
    for threads in counts:
        heads += [f"asked, {threads} T", f"seen, {threads} T", "met"]
    lines = {}
    for goal, threads, seen in standings:
        line = lines.setdefault(goal.work, {})
        show = _percent if goal.percent else factor
        limit = ("at most " if goal.at_most else "") + show(goal.asked[threads])
        if seen is None:
            line[threads] = [limit, "not measured", ""]
        else:
            met = "yes" if goal.met(seen, threads) else "**no**"
            line[threads] = [limit, show(seen.value) + NOISY * seen.noisy, met]
    return table(heads, [
        [work, *(cell for threads in counts for cell in line.get(threads, [""] * 3))]
        for work, line in lines.items()
    ])  # fmt: skip


def shortfalls(standings):
    """The goals that are not met: which row decides, against whom, and what running at the
    measured peak would give."""
    lines = []
    for goal, threads, seen in standings:
        if seen is None or goal.met(seen, threads):
            continue
        show = _percent if goal.percent else factor
        alone = seen.rows[0] if len(seen.rows) == 1 else None
        peer = best(alone) if alone else None
        lines.append([
            goal.work, f"{threads} T", show(goal.asked[threads]), show(seen.value),
            show(seen.at_peak), alone["case"] if alone else "–", peer[0] if peer else "–",
        ])  # fmt: skip
    heads = ["work", "threads", "asked", "seen", "at the peak", "decided by", "best peer"]
    return table(heads, lines) if lines else ""


def suite_rows(rows):
    """All rows of a suite on one number of threads, with every contestant's time."""
    names = list(dict.fromkeys(name for row in rows for name in row["contestants"]))
    peers = [name for name in names if figures.is_peer(name)]
    ours = [name for name in names if name not in peers]
    unit = UNITS[rows[0]["unit"]]
    heads = ["row", *ours, unit, "of the peak", "to PyTorch", "to the best peer", *peers]
    lines = []
    for row in rows:
        own = row["contestants"].get(figures.OURS)
        rate = f"{own['rate']:.3g}" if own else "–"
        lines.append([
            row["case"] + NOISY * row["noisy"],
            *(_time(row, name) for name in ours),
            rate, _percent(figures.share(row)), factor(ratio(row, is_eager_torch)),
            factor(ratio(row)), *(_time(row, name) for name in peers),
        ])  # fmt: skip
    return table(heads, lines)


def _time(row, name):
    contestant = row["contestants"].get(name)
    if name in row["failed"]:
        return "failed"
    if contestant is None:
        return ""
    time = f"{duration(contestant['seconds'])} ±{contestant['spread']:.0%}"
    return f"{time} {contestant['note']}".strip()


def standing(rows):
    """One line under a suite's table: geometric mean and worst row, to PyTorch and to the best."""
    parts = []
    for title, among in (("PyTorch", is_eager_torch), ("the best peer", figures.is_peer)):
        ratios = [(ratio(row, among), row["case"]) for row in rows if ratio(row, among)]
        if ratios:
            mean = figures.geometric_mean([value for value, _ in ratios])
            value, case = min(ratios)
            parts.append(
                f"To {title}: geometric mean {factor(mean)}, worst row {factor(value)} ({case})."
            )
    return " ".join(parts)


def growth(points, unit):
    """Cost and cost per unit against the value that grows."""
    names = list(dict.fromkeys(name for _, times in points for name in times))
    heads = [unit, *names, *(f"{name}, each" for name in names)]
    lines = []
    for value, times in points:
        found = [times.get(name) for name in names]
        whole = [duration(time) if time else "" for time in found]
        lines.append([value, *whole, *(duration(t / value) if t else "" for t in found)])
    return table(heads, lines)


def scaling(result):
    """Times of the training steps over numbers of threads, as speed-ups over one."""
    counts = figures.thread_counts(result)
    lines = []
    for single in figures.rows(result, 1, "train_step"):
        for threads in counts:
            for row in figures.rows(result, threads, "train_step") if threads != 1 else ():
                if row["case"] == single["case"]:
                    lines.append((single, row))
    names = list(dict.fromkeys(name for _, row in lines for name in row["contestants"]))
    cells = []
    for single, row in lines:
        pairs = [(figures.seconds(single, name), figures.seconds(row, name)) for name in names]
        gains = [f"{one / more:.2f}x" if one and more else "" for one, more in pairs]
        cells.append([row["case"], row["threads"], *gains])
    return table(["training step", "threads", *names], cells) if cells else ""


def memory(measured):
    """Peak memory of each contestant, and how much of it came after the import."""
    mib = 2**20
    lines = [
        [name, *(f"{sizes[key] / mib:.0f} MiB" for key in ("after", "before")),
         f"{(sizes['after'] - sizes['before']) / mib:.0f} MiB"]
        for name, sizes in measured["found"].items()
    ]  # fmt: skip
    return table(["contestant", "peak", "after the import", "taken by training"], lines)


def peaks(result):
    """The machine's measured limits."""
    lines = []
    for run in result["runs"]:
        limits = run["peak"]
        for isa, value in limits.get("fma", {}).items():
            lines.append([f"multiply-add, {isa}, GFLOP/s", run["threads"], f"{value:.0f}"])
        for level, value in limits.get("copy", {}).items():
            lines.append([f"copy in {level}, GB/s read and written", run["threads"],
                          f"{value:.0f}"])  # fmt: skip
        if limits.get("exchange"):
            lines.append(["read of what another core wrote, GB/s", run["threads"],
                          f"{limits['exchange']:.0f}"])  # fmt: skip
    return table(["limit", "threads", "measured"], lines)


def noise(result):
    """What is known of the machine's other work, for each number of threads."""
    lines = []
    for run in result["runs"]:
        rows = run["rows"]
        unsteady = sum(row["noisy"] for row in rows)
        again = sum(row.get("asked", 1) > 1 for row in rows)
        worst = max((row["stolen"] or 0 for row in rows), default=0)
        lines.append([f"{run['threads']} T", _percent(run["other_load"]), _percent(run["stolen"]),
                      _percent(worst), run["again"], run["unsure"], again,
                      f"{unsteady} of {len(rows)}"])  # fmt: skip
    heads = ["run", "other programs", "stolen by the host", "stolen, worst row", "samples again",
             "samples on less than whole cores", "rows asked again", "unsteady rows"]  # fmt: skip
    return table(heads, lines)
