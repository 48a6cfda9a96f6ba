"""Every example runs with --quick, as its user would run it, and leaves what it promises."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import minidrop as md
from minidrop import _kernels, nn

EXAMPLES = Path(__file__).parent.parent / "examples"
PNG = b"\x89PNG\r\n\x1a\n"
PARTS = ("train", "validation", "test")


def command(example, *options):
    return [sys.executable, str(EXAMPLES / f"{example}.py"), *map(str, options)]


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    """No full MNIST to be found, no network: what an example does then is the same everywhere."""
    cache = tmp_path_factory.mktemp("cache")
    env = os.environ | {"MINIDROP_OFFLINE": "1", "XDG_CACHE_HOME": str(cache)}
    env.pop("MINIDROP_DATA", None)
    return env


def run(folder, env, example, *options, status=0):
    """The finished process, with stdout and stderr as text."""
    done = subprocess.run(
        command(example, *options), cwd=folder, env=env, text=True, capture_output=True, timeout=300
    )
    assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
    return done


def results(folder):
    return json.loads((folder / "results.json").read_text())


def without_seconds(value):
    """Figures without those that a clock gave."""
    if not isinstance(value, dict):
        return value
    return {k: without_seconds(v) for k, v in value.items() if not k.startswith("seconds")}


@pytest.fixture(scope="module")
def quick(tmp_path_factory, env):
    """(the process, its folder) of `mnist_cnn.py --quick`, where only the 5,000 digits are."""
    folder = tmp_path_factory.mktemp("quick")
    return run(folder, env, "mnist_cnn", "--quick", "--threads", 2), folder / "runs" / "mnist_cnn"


def test_every_example_is_tested():
    helpers = {"digits", "plots"}
    names = {path.stem for path in EXAMPLES.glob("*.py")} - helpers
    assert names == {
        "dropout_gallery", "mc_dropout", "mnist_cnn", "rates", "training_loop", "xor",
    }  # fmt: skip


def test_mnist_cnn_files(quick):
    _, out = quick
    for name in ("curves.png", "predictions.png"):
        assert (out / name).read_bytes().startswith(PNG)


def test_mnist_cnn_results(quick):
    found = results(quick[1])
    assert found["data"]["name"] == "mnist5k" and "NOT the full MNIST" in found["data"]["title"]
    assert [found["data"][part] for part in PARTS] == [2560, 333, 1000]
    assert (found["seed"], found["version"]) == (0, md.__version__)
    assert found["threads"] == (2 if _kernels.has_openmp() else 1)
    assert found["isa"] in md.available_isas()
    assert found["settings"]["p_conv"] == 0.25 and found["settings"]["p_fc"] == 0.5
    assert list(found["models"]) == ["with dropout", "without dropout"]
    for figures in found["models"].values():
        for part in PARTS:
            assert figures[part]["accuracy"] > 0.85 and 0 < figures[part]["loss"] < 0.6
        gap = figures["train"]["accuracy"] - figures["test"]["accuracy"]
        assert figures["gap"] == pytest.approx(gap)
        assert figures["seconds_per_epoch"] > 0
        assert {len(values) for values in figures["history"].values()} == {2}
        assert figures["history"]["val_accuracy"][-1] == figures["validation"]["accuracy"]


def test_mnist_cnn_the_two_models_differ_in_dropout_only(quick):
    with_dropout, without = results(quick[1])["models"].values()
    assert with_dropout["history"]["loss"][0] > without["history"]["loss"][0]


def test_mnist_cnn_table(quick):
    done, out = quick
    lines = done.stdout.splitlines()
    for name, figures in results(out)["models"].items():
        (row,) = [line for line in lines if line.startswith(name + " ")]
        for part in PARTS:
            assert f"{figures[part]['loss']:.4f}" in row
            assert f"{figures[part]['accuracy']:.2%}" in row
    assert "epoch 2/2" in done.stderr  # the progress bars


def test_mnist_cnn_says_that_it_falls_back(quick):
    text = quick[0].stdout
    assert "5,000 REAL MNIST DIGITS" in text and "forbidden by MINIDROP_OFFLINE" in text
    table = text[text.index("gap  seconds") - 300 :]
    assert "NOT the full MNIST" in table


def test_mnist_cnn_killed_and_resumed(quick, env, tmp_path):
    """Killed in the first model's second epoch or later; --resume alone knows all settings."""
    whole, out = results(quick[1]), tmp_path / "run"
    options = ["--quick", "--threads", 1, "--out", out]
    checkpoint = out / "with_dropout.safetensors"
    with subprocess.Popen(
        command("mnist_cnn", *options), env=env, cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        while not checkpoint.exists() and process.poll() is None:
            time.sleep(0.02)
        process.kill()
    assert not (out / "results.json").exists()
    again = run(tmp_path, env, "mnist_cnn", "--resume", "--out", out, "--threads", 2)
    assert "from " in again.stdout
    assert without_seconds(results(out)["models"]) == without_seconds(whole["models"])


def test_mnist_cnn_resume_of_another_run(quick, env):
    out = quick[1]
    before = results(out)
    done = run(out, env, "mnist_cnn", "--resume", "--out", out, "--lr", 0.5, status=2)
    assert "--lr was 0.002, got 0.5" in done.stderr
    assert results(out) == before


def test_mnist_cnn_resume_of_nothing(env, tmp_path):
    done = run(tmp_path, env, "mnist_cnn", "--resume", status=2)
    assert "no run to go on with" in done.stderr


@pytest.mark.parametrize(
    "option, value, told",
    [
        ("--p-conv", "1.5", "1.5"),
        ("--p-fc", "nan", "nan"),
        ("--lr", "-1", "-1"),
        ("--epochs", "0", "expected 1 or more"),
        ("--batch-size", "-3", "expected 1 or more"),
        ("--threads", "99999", "from 1 to 4096, got 99999"),
    ],
)
def test_mnist_cnn_bad_option(env, tmp_path, option, value, told):
    done = run(tmp_path, env, "mnist_cnn", option, value, status=2)
    assert told in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_mnist_cnn_out_that_cannot_be(env, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    done = run(tmp_path, env, "mnist_cnn", "--data", "mnist5k", "--out", file, status=1)
    assert f"--out {file}: " in done.stderr and "Traceback" not in done.stderr
    assert file.read_text() == "mine"


def test_mnist_cnn_folder_without_data(env, tmp_path):
    done = run(tmp_path, env, "mnist_cnn", "--data", tmp_path, status=1)
    assert "was not found" in done.stderr and str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr


def test_dropout_gallery(env, tmp_path):
    text = run(tmp_path, env, "dropout_gallery", "--quick").stdout
    assert f"{len(nn.dropout.variants())} variants" in text
    assert (tmp_path / "runs/dropout_gallery/gallery.png").read_bytes().startswith(PNG)
    bad = run(tmp_path, env, "dropout_gallery", "--p", "1.5", status=2)
    assert "--p must be above 0 and below 1, got 1.5" in bad.stderr


def test_mc_dropout(env, tmp_path):
    text = run(tmp_path, env, "mc_dropout", "--quick").stdout
    assert "5,000 REAL MNIST DIGITS" in text and "Fashion-MNIST cannot be had" in text
    out = tmp_path / "runs/mc_dropout"
    for name in ("uncertainty.png", "turned.png"):
        assert (out / name).read_bytes().startswith(PNG)
    rows = results(out)["rows"]
    assert list(rows) == ["digits", "turned 45°", "turned 90°"]
    for name in ("turned 45°", "turned 90°"):
        assert rows[name]["accuracy"] < rows["digits"]["accuracy"]
        assert rows[name]["auroc"] > 0.8, "the uncertainty grows where it should"
        for value in ("entropy", "mutual_info"):
            assert rows[name][value] > rows["digits"][value]
        assert f"{rows[name]['auroc']:.3f}" in text


def test_rates(env, tmp_path):
    text = run(tmp_path, env, "rates", "--quick").stdout
    out = tmp_path / "runs/rates"
    assert (out / "rates.png").read_bytes().startswith(PNG)
    rows = results(out)["rates"]
    assert [row["p"] for row in rows] == [0, 0.2, 0.5, 0.8]
    assert rows[0]["train"]["accuracy"] > 0.98 and rows[0]["gap"] > rows[3]["gap"]
    losses = [row["train"]["loss"] for row in rows]
    assert losses == sorted(losses), "the more is dropped, the less is learned by heart"
    for row in rows:
        assert len(row["history"]["val_loss"]) == 8
        assert f"{row['test']['accuracy']:.2%}" in text
    bad = run(tmp_path, env, "rates", "--rates", "0.5", "2", status=2)
    assert "--rates" in bad.stderr and "got 2.0" in bad.stderr


def test_training_loop(env, tmp_path):
    text = run(tmp_path, env, "training_loop", "--quick").stdout
    assert "5,000 REAL MNIST DIGITS" in text
    accuracies = [float(number) for number in re.findall(r"test accuracy ([\d.]+)%", text)]
    assert len(accuracies) == 2 and accuracies[-1] > 85


def test_xor(env, tmp_path):
    text = run(tmp_path, env, "xor", "--quick").stdout
    for row in ("0 xor 0 = 0", "0 xor 1 = 1", "1 xor 0 = 1", "1 xor 1 = 0"):
        assert row in text
