"""minidrop beside NumPy, PyTorch and JAX, whatever of them is installed.

    python -m bench.peers [--threads 1,2] [--only TEXT] [--libs a,b] [--rounds 11] [--json FILE]
    python -m bench.peers --report [--quick] [--out FOLDER]

Each row verifies every contestant against a plain NumPy reference, then asks them in turn.
README.md tells how to read a row and what the method guards against. --report measures the rows
that something is asked of, growth and memory too, and writes bench/report/: a page with charts.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from bench import machine, page, peak, suites, text
from bench.contestants import CONTESTANTS, installed, installed_version
from bench.page import plan
from bench.session import SAMPLE_SECONDS, Session, measure_memory

FEWEST_ROUNDS = 9
QUICK_ROUNDS = 3
REPORT_SAMPLE_SECONDS = 0.015
QUICK_SAMPLE_SECONDS = 0.01
QUIET = 0.02  # share of the machine that others may take without a word


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--threads", type=peak.thread_counts, default=[1, 2], help="such as 1,2")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name contains it")
    parser.add_argument("--libs", metavar="A,B", help="of " + ", ".join(CONTESTANTS))
    parser.add_argument("--rounds", type=int, help="samples of each contestant (11; reports 9)")
    parser.add_argument("--json", metavar="FILE", help="write every sample here")
    parser.add_argument("--list", action="store_true", help="print the rows' names and stop")
    parser.add_argument("--report", action="store_true", help="measure all and write a page")
    parser.add_argument("--quick", action="store_true", help="a report of a few rows and rounds")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="of the report (bench/report)")
    options = parser.parse_args(arguments)
    if options.rounds is None:
        options.rounds = QUICK_ROUNDS if options.quick else FEWEST_ROUNDS if options.report else 11
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    if not options.report and (options.quick or options.out):
        parser.error("--quick and --out belong to --report")
    options.out = options.out or page.FOLDER
    left_out = plan.NOT_QUICK if options.quick else ()
    options.libs = (
        options.libs.split(",")
        if options.libs
        else [name for name in CONTESTANTS if name not in left_out]
    )
    if unknown := [name for name in options.libs if name not in CONTESTANTS]:
        parser.error(f"--libs: unknown {unknown[0]}, expected some of {', '.join(CONTESTANTS)}")
    if options.report:
        options.rows = plan.rows(options.quick, options.only)
    else:
        options.rows = suites.select(options.only)
    if not options.rows:
        parser.error(f"--only {options.only!r} matches no row (--list prints their names)")
    return options


def show(line):
    print(line, flush=True)


def measure(options):
    """The result of a run, as --json writes it and the page reads it."""
    began = time.monotonic()
    taking_part = {name for suite, _ in options.rows for name in suite.CONTESTANTS}
    wanted = [name for name in options.libs if name in taking_part]
    names = [name for name in wanted if installed(CONTESTANTS[name])]
    left_out = [name for name in wanted if name not in names]
    where = machine.describe()
    versions = {
        contestant.library: installed_version(contestant) for contestant in CONTESTANTS.values()
    }
    show(f"{where['processor']}, {where['cores']} cores, {where['system']}")
    show(", ".join(f"{library} {version}" for library, version in versions.items()))
    if left_out:
        show(f"left out, not installed: {', '.join(left_out)}")

    sample_seconds = SAMPLE_SECONDS
    if options.report:
        sample_seconds = QUICK_SAMPLE_SECONDS if options.quick else REPORT_SAMPLE_SECONDS
    result = {
        "machine": where, "versions": versions, "left_out": left_out, "quick": options.quick,
        "rounds": options.rounds, "sample_seconds": sample_seconds, "runs": [],
        "memory": {"case": None, "found": {}},
    }  # fmt: skip
    for threads in options.threads:
        session = Session(threads, names, options.rounds, show, sample_seconds)
        rows = options.rows
        if options.report and threads != options.threads[-1]:  # growth once, on all threads
            rows = [(suite, case) for suite, case in rows if suites.name_of(suite) != "growth"]
        result["runs"].append(session.run(rows))
        others, stolen = (result["runs"][-1][key] for key in ("other_load", "stolen"))
        if others is not None and max(others, stolen) > QUIET:
            show(f"\nother programs took {others:.0%} of the processors, other machines on the "
                 f"host {stolen:.0%}: a noisy run")  # fmt: skip
        if options.report and not options.only and threads == options.threads[-1]:
            memory_case = plan.QUICK_MEMORY_CASE if options.quick else plan.MEMORY_CASE
            result["memory"] = measure_memory(names, threads, *memory_case)
        result["seconds"] = time.monotonic() - began
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(result, file, indent=1)
    return result


def main(arguments=None):
    options = parse(arguments)
    if options.list:
        for suite, case in options.rows:
            print(suites.name_of(suite), case.name)
        return 0
    result = measure(options)
    rows = [row for run in result["runs"] for row in run["rows"]]
    show(text.summary(rows))
    if options.report:
        page.save(result, options.out)
        show(f"\nwrote {options.out / page.PAGE} after {result['seconds'] / 60:.0f} minutes")
    if options.rounds < FEWEST_ROUNDS:
        show(f"{options.rounds} rounds are too few to quote: take {FEWEST_ROUNDS} or more")
    return 1 if any(row["failed"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
