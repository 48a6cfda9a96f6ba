"""The charts of the page. Matplotlib is imported here only, when a chart is drawn."""

from bench.page import figures
from bench.page.figures import best, seconds
from bench.suites.growth import UNITS as GROWTH_UNITS

DPI = 90
# One colour for each contestant, in every chart: ours stands out, a library's variants are shades.
COLOURS = {
    "minidrop": "#c8102e", "minidrop_avx2": "#e8889a", "minidrop_direct": "#d9534f",
    "numpy": "#7f7f7f",
    "torch": "#9ecae1", "torch_tuned": "#6baed6", "torch_fused": "#2171b5",
    "torch_cl": "#4292c6", "torch_cl_tuned": "#08519c", "torch_compile": "#54278f",
    "jax": "#a1d99b", "jax_cl": "#31a354",
}  # fmt: skip
ROOFLINE_SUITES = {"matmul": "o", "conv2d": "^"}
TIMES = (
    ("train_step", "cnn batch 64 adam"), ("train_step", "cnn batch 128 adam"),
    ("train_step", "keras batch 128 adam"), ("train_step", "mlp batch 128 adam"),
    ("inference", "cnn batch 256"), ("inference", "cnn batch 1"),
)  # fmt: skip


def draw(result, standings, folder):
    """[(file name, title)] of the charts written into `folder`; none without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return []
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    drawn = []

    def keep(name, title, figure):
        if figure is not None:
            figure.savefig(folder / name, dpi=DPI, bbox_inches="tight")
            plt.close(figure)
            drawn.append((name, title))

    keep("asked.png", "What was seen against what was asked, by number of threads",
         _asked(plt, standings))  # fmt: skip
    for run in result["runs"]:
        threads = run["threads"]
        word = f"{threads} thread{'s' if threads > 1 else ''}"
        keep(f"times_{threads}.png", f"Time of a step or a batch, {word}", _times(plt, run))
        keep(f"roofline_{threads}.png",
             f"Roofline, {word}: each matrix product and convolution, ours and the best peer's",
             _roofline(plt, run))  # fmt: skip
        keep(f"bandwidth_{threads}.png",
             f"Memory-bound rows as shares of a plain copy of as many bytes, {word}",
             _bandwidth(plt, run))  # fmt: skip
    keep("growth.png", "How the cost grows", _growth(plt, result))
    keep("memory.png", "Peak memory of a process that trains", _memory(plt, result))
    return drawn


def _asked(plt, standings):
    """Bars of ratio goals on a logarithmic axis, a tick where the goal stands."""
    from matplotlib import ticker

    bars = [
        (goal, threads, seen)
        for goal, threads, seen in standings
        if seen and not goal.percent and not goal.at_most
    ]
    if not bars:
        return None
    counts = sorted({threads for _, threads, _ in bars})
    works = list(dict.fromkeys(goal.work for goal, _, _ in bars))
    figure, axis = plt.subplots(figsize=(9, 0.8 + 0.36 * len(works)))
    height = 0.8 / len(counts)
    for goal, threads, seen in bars:
        at = works.index(goal.work) + (counts.index(threads) - (len(counts) - 1) / 2) * height
        met = goal.met(seen, threads)
        axis.barh(
            at,
            seen.value - 1,
            height * 0.9,
            left=1,
            color="#2b7a78" if met else "#e08214",
            alpha=1 - 0.35 * counts.index(threads),
        )
        limit = goal.asked[threads]
        axis.plot([limit, limit], [at - height / 2, at + height / 2], color="black", lw=1.6)
        axis.annotate(f"{seen.value:.3g}x", (max(seen.value, limit, 1), at), xytext=(4, 0),
                      textcoords="offset points", va="center", fontsize=7)  # fmt: skip
    axis.axvline(1, color="grey", lw=0.8)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}x")
    axis.xaxis.set_minor_locator(ticker.NullLocator())
    axis.set_yticks(range(len(works)), works)
    axis.invert_yaxis()
    axis.set_xlabel(
        "times as fast as the peer; black: asked; green: met; orange: not yet; "
        f"from top to bottom {' and '.join(map(str, counts))} threads"
    )
    return figure


def _times(plt, run):
    """One small bar chart for each of the chosen rows."""
    rows = {(row["suite"], row["case"]): row for row in run["rows"]}
    chosen = [rows[key] for key in TIMES if key in rows and rows[key]["contestants"]]
    if not chosen:
        return None
    columns = min(3, len(chosen))
    lines = -(-len(chosen) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(3.6 * columns, 2.4 * lines), squeeze=False)
    for axis in axes.flat[len(chosen) :]:
        axis.set_visible(False)
    for axis, row in zip(axes.flat, chosen, strict=False):
        names = list(row["contestants"])
        times = [1e3 * seconds(row, name) for name in names]
        bars = axis.barh(names, times, color=[COLOURS.get(name, "#999999") for name in names])
        axis.bar_label(bars, [f"{time:.3g}" for time in times], padding=2, fontsize=7)
        axis.invert_yaxis()
        axis.margins(x=0.15)
        axis.set_title(f"{row['suite']} {row['case']}", fontsize=9)
        axis.set_xlabel("ms")
    figure.tight_layout()
    return figure


def _roofline(plt, run):
    rows = [row for row in run["rows"] if row["suite"] in ROOFLINE_SUITES and row["traffic"]]
    fma, copy = run["peak"].get("fma"), run["peak"].get("copy")
    if not rows or not fma or not copy:
        return None
    figure, axis = plt.subplots(figsize=(8, 5))
    top = next(iter(fma.values()))  # of the active instruction set
    low, high = 0.5, 2 * max(row["amount"] / row["traffic"] for row in rows)
    for level, style in (("L2", ":"), ("L3", "--"), ("memory", "-")):
        ridge = min(high, top / copy[level])
        axis.plot(
            [low, ridge],
            [low * copy[level], ridge * copy[level]],
            color="grey",
            ls=style,
            lw=1,
            label=f"copy in {level}, {copy[level]:.0f} GB/s",
        )
    axis.plot([min(top / copy["L2"], high), high], [top, top], color="black", lw=1,
              label=f"multiply-add, {top:.0f} GFLOP/s")  # fmt: skip
    for suite, marker in ROOFLINE_SUITES.items():
        own = [row for row in rows if row["suite"] == suite]
        for title, colour, pick in (
            ("best peer", "#4292c6", best),
            ("minidrop", COLOURS["minidrop"], lambda row: ("", seconds(row))),
        ):
            points = [
                (row["amount"] / row["traffic"], row["amount"] / pick(row)[1] / 1e9)
                for row in own
                if pick(row) and pick(row)[1]
            ]
            if points:
                axis.scatter(
                    *zip(*points, strict=True),
                    s=22,
                    marker=marker,
                    color=colour,
                    alpha=0.75,
                    label=f"{suite}, {title}",
                    linewidths=0,
                )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("FLOP for each byte that has to be read or written")
    axis.set_ylabel("GFLOP/s")
    axis.grid(alpha=0.25)
    axis.legend(fontsize=7)
    return figure


def _bandwidth(plt, run):
    rows = [row for row in run["rows"] if row["unit"] == "byte" and row["peak"]]
    rows = [row for row in rows if figures.share(row)]
    if not rows:
        return None
    figure, axis = plt.subplots(figsize=(8, 0.8 + 0.34 * len(rows)))
    for at, row in enumerate(rows):
        peer = best(row)
        shares = [("minidrop", figures.share(row), -0.2)]
        if peer:
            shares.append((peer[0], row["contestants"][peer[0]]["share"], 0.2))
        for name, share, shift in shares:
            axis.barh(at + shift, share, 0.38, color=COLOURS.get(name, "#999999"))
            axis.annotate(
                f"{name} {share:.0%}",
                (share, at + shift),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=6,
            )
    axis.axvline(1, color="grey", lw=0.8)
    axis.set_yticks(range(len(rows)), [figures.name_of(row) for row in rows])
    axis.invert_yaxis()
    axis.set_xlabel("share of the rate of a plain copy; in-place work may pass it")
    return figure


def _growth(plt, result):
    kinds = [(kind, figures.growth(result, kind)) for kind in GROWTH_UNITS]
    panels = [(kind, points) for kind, points in kinds if points]
    threads = figures.thread_counts(result)
    steps = [row for count in threads for row in figures.rows(
        result, count, "train_step", "(cnn|keras|mlp) batch 128 adam$")]  # fmt: skip
    scaled = len(threads) > 1 and steps
    count = len(panels) + bool(scaled)
    if not count:
        return None
    columns = min(3, count)
    lines = -(-count // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(4 * columns, 3.2 * lines), squeeze=False)
    for axis in axes.flat[count:]:
        axis.set_visible(False)
    for axis, (kind, points) in zip(axes.flat, panels, strict=False):
        _growth_panel(axis, kind, points)
    if scaled:
        _threads_panel(axes.flat[count - 1], threads, steps)
    figure.tight_layout()
    return figure


def _growth_panel(axis, kind, points):
    for name in dict.fromkeys(name for _, times in points for name in times):
        line = [(value, 1e3 * times[name]) for value, times in points if times.get(name)]
        axis.plot(*zip(*line, strict=True), marker="o", ms=3, label=name,
                  color=COLOURS.get(name, "#999999"))  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xticks([value for value, _ in points], [value for value, _ in points])
    axis.minorticks_off()
    axis.set_xlabel(f"{kind}: {GROWTH_UNITS[kind]}")
    axis.set_ylabel("ms")
    axis.grid(alpha=0.25)
    axis.legend(fontsize=7)


def _threads_panel(axis, threads, steps):
    """Speed-up of our training steps over the fewest threads that were run."""
    for case in dict.fromkeys(row["case"] for row in steps):
        times = {row["threads"]: seconds(row) for row in steps if row["case"] == case}
        if times.get(threads[0]):
            line = [(count, times[threads[0]] / times[count]) for count in threads
                    if times.get(count)]  # fmt: skip
            axis.plot(*zip(*line, strict=True), marker="o", ms=3, label=case)
    axis.plot(threads, [count / threads[0] for count in threads], color="grey", ls=":", lw=1)
    axis.set_xticks(threads, threads)
    axis.set_xlabel("threads")
    axis.set_ylabel("speed-up of our step (dotted: ideal)")
    axis.grid(alpha=0.25)
    axis.legend(fontsize=7)


def _memory(plt, result):
    entry, mib = result["memory"], 2**20
    if not entry["found"]:
        return None
    names = list(entry["found"])
    before = [entry["found"][name]["before"] / mib for name in names]
    after = [entry["found"][name]["after"] / mib for name in names]
    figure, axis = plt.subplots(figsize=(7, 0.9 + 0.3 * len(names)))
    axis.barh(names, after, color=[COLOURS.get(name, "#999999") for name in names])
    bars = axis.barh(names, before, color="white", alpha=0.55)
    axis.bar_label(bars, [""] * len(names))
    for at, value in enumerate(after):
        axis.annotate(f"{value:.0f}", (value, at), xytext=(3, 0), textcoords="offset points",
                      va="center", fontsize=7)  # fmt: skip
    axis.invert_yaxis()
    axis.set_xlabel(f"MiB resident at most, {entry['case']}; paler: after the import")
    return figure
