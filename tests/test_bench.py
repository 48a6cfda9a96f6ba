"""The benchmarks' machinery, with NumPy as the only peer; nothing here depends on a time."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_same_bits

from bench import contest, expected, page, suites
from bench.contestants import CONTESTANTS, TUNED_ALLOCATOR
from bench.networks import definition
from bench.page import document, goals, plan, tables
from bench.suites import dropout_family
from minidrop.nn import dropout

ROOT = Path(__file__).parent.parent


def run(folder, *options):
    command = [sys.executable, "-m", "bench.peers", "--threads", "1", "--rounds", "1"]
    environment = os.environ | {"MINIDROP_OFFLINE": "1"}
    return subprocess.run(
        [*command, *options], cwd=ROOT, env=environment, text=True, capture_output=True, timeout=300
    )


# ---- the whole way ----


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The folder of a quick report, made without PyTorch and JAX."""
    folder = tmp_path_factory.mktemp("report")
    done = run(folder, "--report", "--quick", "--libs", "minidrop,numpy", "--out", str(folder))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return folder


def results(folder):
    return json.loads((folder / page.RESULTS).read_text())


def test_quick_report_measures_its_rows(quick):
    (one,) = results(quick)["runs"]
    assert [f"{row['suite']} {row['case']}" for row in one["rows"]] == [
        f"{suites.name_of(suite)} {case.name}" for suite, case in plan.rows(quick=True)
    ]
    for row in one["rows"]:
        assert not row["failed"] and "minidrop" in row["contestants"]
        assert set(row["contestants"]) <= {"minidrop", "numpy"}
        assert all(len(figures["samples"]) == 1 for figures in row["contestants"].values())
    assert results(quick)["memory"]["found"]["minidrop"]["after"] > 1 << 20


def test_quick_report_page(quick):
    text = (quick / page.PAGE).read_text()
    assert "quick run" in text and results(quick)["machine"]["processor"] in text
    for goal in goals.GOALS:
        assert goal.work in text or 1 not in goal.asked
    charts = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert {"growth.png", "memory.png", "asked.png"} < set(charts)
    assert sorted(charts) == sorted(path.name for path in quick.glob("*.png"))


def test_quick_report_is_small_and_names_no_folder(quick):
    assert sum(path.stat().st_size for path in quick.iterdir()) < 500_000
    for name in (page.PAGE, page.RESULTS):
        text = (quick / name).read_text()
        assert str(ROOT) not in text and str(Path.home()) not in text and str(quick) not in text


def test_page_again_from_its_figures(quick):
    before = (quick / page.PAGE).read_text()
    (quick / page.PAGE).unlink()
    page.write(quick)
    assert (quick / page.PAGE).read_text() == before


def test_page_without_matplotlib(quick, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    text = document.compose(results(quick), tmp_path)
    assert "need matplotlib" in text and not list(tmp_path.iterdir())


def test_unknown_library(tmp_path):
    done = run(tmp_path, "--libs", "numpyy")
    assert done.returncode == 2 and "numpyy" in done.stderr


def test_quick_without_report(tmp_path):
    done = run(tmp_path, "--quick")
    assert done.returncode == 2 and "--report" in done.stderr


# ---- what is measured ----


def test_every_goal_has_rows():
    for goal in goals.GOALS:
        if goal.suite != "memory":
            cases = [case.name for case in suites.load(goal.suite).cases()]
            assert any(re.match(goal.pattern, case) for case in cases), goal.work


def test_names_in_the_plan_exist():
    known = {f"{suites.name_of(suite)} {case.name}" for suite, case in suites.select("")}
    named = {" ".join(plan.MEMORY_CASE), " ".join(plan.QUICK_MEMORY_CASE), *plan.QUICK}
    assert named <= known
    contestants = {name for suite, _ in suites.select("") for name in suite.CONTESTANTS}
    assert contestants == set(CONTESTANTS)


def test_deep_network():
    layers = definition.layers_of("deep-5")
    assert [kind for kind, *_ in layers].count("linear") == 5
    assert definition.walk("deep-5")[-1] == (("linear", 128, 10), (128,))


@pytest.mark.parametrize(
    "network, takes_part",
    [
        ("cnn", {"torch", "torch_cl", "torch_cl_tuned", "torch_compile", "jax", "jax_cl"}),
        ("mlp", {"torch", "torch_tuned", "torch_compile", "jax"}),
    ],
)
def test_who_runs_a_network(network, takes_part):
    asked = suites.load("train_step").CONTESTANTS
    suit = {name for name in asked if definition.suits(CONTESTANTS[name], network)}
    assert suit == takes_part | {"minidrop", "minidrop_avx2"}
    tuned = [name for name in suit if CONTESTANTS[name].environment == TUNED_ALLOCATOR]
    assert len(tuned) == 1


# ---- figures ----


def row(case="forward p0.5 1M", suite="dropout", noisy=False, peak=10.0, **seconds):
    """A row whose contestants took so many seconds for 1e9 units of work."""
    names = {
        name: {
            "seconds": time,
            "spread": 0.0,
            "rate": 1 / time,
            "share": 1 / time / peak,
            "note": "",
        }
        for name, time in seconds.items()
    }
    return {"suite": suite, "case": case, "threads": 1, "unit": "byte", "amount": 1e9,
            "peak": peak, "noisy": noisy, "contestants": names, "failed": {}}  # fmt: skip


def result(*rows, fma=None):
    run = {"threads": 1, "peak": {"fma": fma or {}}, "rows": list(rows)}
    return {"runs": [run], "memory": {"case": None, "found": {}}}


def seen(work, result):
    (goal,) = [goal for goal in goals.GOALS if goal.work.startswith(work)]
    return goal, goal.measure(result, 1, goal)


def test_best_peer_is_no_variant_of_ours():
    found = result(row("cnn batch 64 adam", "train_step", minidrop=1.0, minidrop_avx2=0.5, jax=3.0))
    goal, figure = seen("train step, classic MNIST", found)
    assert figure.value == 3.0 and not goal.met(figure, 1)


def test_ratio_to_pytorch_leaves_others_out():
    found = result(row(minidrop=0.25, numpy=1.0, torch=20.0, torch_tuned=16.0, torch_compile=2.0))
    assert seen("dropout forward 1 M, p .5, against PyTorch", found)[1].value == 64.0
    assert seen("dropout forward 1 M, p .5, against the best", found)[1].value == 4.0


def test_worst_row_decides_and_mean_is_geometric():
    names = ("NN 64x64x64", "NT 64x64x64")
    pair = [row(name, "matmul", noisy=name[1] == "T", minidrop=1.0, numpy=ratio)
            for name, ratio in zip(names, (4.0, 1.0), strict=True)]  # fmt: skip
    assert seen("matmul, geometric mean", result(*pair))[1].value == pytest.approx(2.0)
    _, worst = seen("matmul, worst row", result(*pair))
    assert worst.value == 1.0 and worst.rows == (pair[1],) and worst.noisy
    assert not seen("matmul, worst row", result(pair[0]))[1].noisy


def test_at_the_peak():
    found = result(row(minidrop=0.25, numpy=2.0, peak=8.0))
    goal, figure = seen("dropout forward 1 M, p .5, against the best", found)
    assert figure.at_peak == pytest.approx(16.0)
    assert "16.00x" in tables.shortfalls([(goal, 1, figure)])


def test_times_a_copy():
    goal, figure = seen("dropout forward 1 M, p .5, times", result(row(minidrop=0.25, peak=5.0)))
    assert figure.value == 1.25 and goal.met(figure, 1)


def test_avx2_share():
    case = row("keras batch 128 adam", "train_step", minidrop=3.0, minidrop_avx2=4.0)
    _, figure = seen("train step: the AVX2", result(case, fma={"avx512": 8.0, "avx2": 6.0}))
    assert (figure.value, figure.at_peak) == (0.75, 0.75)


def test_depth():
    """At the peak, what Adam moves of a layer (458,752 bytes, here in 4.58752 us) is all that
    becomes slower."""
    shallow = row("depth 50", "growth", minidrop=50 * 1e-5)
    deep = row("depth 200", "growth", noisy=True, minidrop=200 * 1.5e-5) | {"memory": 100.0}
    _, figure = seen("train step, time of a layer", result(shallow, deep))
    assert figure.value == pytest.approx(1.5) and figure.noisy
    assert figure.at_peak == pytest.approx(1.458752)


def test_what_was_not_measured():
    standings = goals.standings(result())
    assert standings and all(figure is None for _, _, figure in standings)
    assert "not measured" in tables.goals(standings)


def test_noisy_row_is_marked():
    assert "forward p0.5 1M ~" in tables.suite_rows([row(minidrop=1.0, noisy=True)])


def test_probes_are_no_contestants():
    results = {"minidrop": (1e9, [1.0]), "peak": (2e9, [1.0]), "memory": (3e9, [1.0])}
    probes, contestants = contest.score(results)
    assert probes == {"peak": 2.0, "memory": 3.0, "exchange": None}
    assert set(contestants) == {"minidrop"}
    assert contestants["minidrop"]["share"] == 0.5


def test_references_are_computed_once(tmp_path, monkeypatch):
    arrays, calls = [np.arange(3.0), np.float32(2)], []

    def compute():
        calls.append(1)
        return arrays

    expected.expected("suite a/b", compute)
    assert len(calls) == 1
    monkeypatch.setenv(expected.FOLDER_VARIABLE, str(tmp_path))
    for _ in range(2):
        for got, right in zip(expected.expected("suite a/b", compute), arrays, strict=True):
            assert_same_bits(got, right)
    assert len(calls) == 2
    expected.expected("suite c", compute)
    assert len(calls) == 3 and len(list(tmp_path.iterdir())) == 1


def test_published_text_names_no_folder():
    text = "OSError: /home/someone/project/file.py, ratio 3/4, at http://host/a/b"
    assert page.publishable([text, 0.123456]) == [
        "OSError: file.py, ratio 3/4, at http://host/a/b", 0.1235
    ]  # fmt: skip


def test_every_dropout_layer_has_a_row():
    assert {case.name for case in dropout_family.cases()} == {v.name for v in dropout.variants()}
