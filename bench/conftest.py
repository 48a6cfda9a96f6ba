"""`pytest bench`: our own kernels and steps under pytest-benchmark, the rows of bench/suites.

    pytest bench [--bench-threads 1,2] [--bench-isa avx2,avx512] [--benchmark-json FILE]

Rows of one workload form a group, so that threads and instruction sets stand under one another.
"""

import pytest

import minidrop as md
from bench import suites
from bench.contestants import CONTESTANTS
from bench.text import UNITS, duration

RATES = pytest.StashKey[list]()


def pytest_addoption(parser):
    group = parser.getgroup("bench")
    group.addoption("--bench-threads", default="1,2", help="thread counts, such as 1,2")
    group.addoption("--bench-isa", default="", help="instruction sets (default: the active one)")


def pytest_configure(config):
    config.stash[RATES] = []


def pytest_generate_tests(metafunc):
    option = metafunc.config.getoption
    if "threads" in metafunc.fixturenames:
        counts = [int(part) for part in option("--bench-threads").split(",")]
        metafunc.parametrize("threads", counts, ids="{}T".format)
    if "isa" in metafunc.fixturenames:
        metafunc.parametrize("isa", (option("--bench-isa") or md.isa()).split(","))


@pytest.fixture
def measure(request, benchmark, threads, isa):
    """measure(suite, case) verifies our outputs against the suite's reference, then times them."""
    before = md.isa()

    def measure(suite, case):
        benchmark.group = f"{suites.name_of(suite)} {case.name}"
        benchmark.extra_info.update(isa=isa, threads=threads)
        task = suite.make(CONTESTANTS["minidrop"], case)
        suite.verify(case, task.outputs())
        benchmark(task.run)
        if benchmark.stats is None:  # --benchmark-disable: the task ran once, verified
            return
        median = benchmark.stats.stats.median
        rate = case.amount / median / 1e9
        benchmark.extra_info[UNITS[case.unit]] = rate
        text = f"{duration(median):>9} {rate:>9.4g} {UNITS[case.unit]:<7}"
        request.config.stash[RATES].append(f"{benchmark.group:<56} {threads}T {isa:<8}{text}")

    md.set_num_threads(threads)
    md.use_isa(isa)
    yield measure
    md.set_num_threads(None)
    md.use_isa(before)


def pytest_terminal_summary(terminalreporter, config):
    if rates := config.stash[RATES]:
        terminalreporter.section("median and rate")
        for line in rates:
            terminalreporter.write_line(line)
