"""Files that are damaged, or do not fit, or are none: an error, and nothing has changed."""

import json
import os
import tracemalloc

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from helpers import fingerprint
from trained import build

import minidrop as md
from minidrop import optim
from minidrop.io import CheckpointError


def test_truncated_at_every_length(path, fresh):
    before = fingerprint(*fresh)
    for length in reversed(range(path.stat().st_size)):
        os.truncate(path, length)
        with pytest.raises(CheckpointError, match="model.safetensors"):
            md.load(path, *fresh)
    assert fingerprint(*fresh) == before


def test_every_flipped_byte(path, state, fresh):
    """A change is found, or is none: white space in the header."""
    content = path.read_bytes()
    before = fingerprint(*fresh)
    rng = np.random.default_rng(0)
    with open(path, "r+b", buffering=0) as file:
        for position, byte in enumerate(content):
            os.pwrite(file.fileno(), bytes([byte ^ 1 << rng.integers(8)]), position)
            try:
                md.load(path, *fresh)
            except CheckpointError:
                assert fingerprint(*fresh) == before
            else:
                before = fingerprint(*fresh)
                assert before == state
            os.pwrite(file.fileno(), bytes([byte]), position)


def test_trailing_bytes(path, fresh):
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(CheckpointError):
        md.load(path, *fresh)


def rebuilt(path, change):
    """The file at `path` with its JSON changed by `change`, and a digest that fits again."""
    from minidrop.io.checkpoint import _canonical, _digest

    with safetensors.safe_open(path, framework="np") as file:
        body = json.loads(file.metadata()["minidrop"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}
    del body["sha256"]
    change(body, arrays)
    body["sha256"] = _digest(_canonical(body), arrays)
    safetensors.numpy.save_file(arrays, path, {"minidrop": json.dumps(body)})


CHANGES = {
    "other layout": lambda body, arrays: body.update(format=99),
    "no layout": lambda body, arrays: body.pop("format"),
    "no version": lambda body, arrays: body.pop("version"),
    "no random state": lambda body, arrays: body.pop("random"),
    "random state of another kind": lambda body, arrays: body.update(random=[]),
    "layers of another kind": lambda body, arrays: body.update(layers=3),
    "state of a layer missing": lambda body, arrays: body.update(layers={}),
    "array that is not there": lambda body, arrays: body.update(meta={"$array": "x"}),
    "meta of another kind": lambda body, arrays: body.update(meta={"$items": [3]}),
    "parameter missing": lambda body, arrays: arrays.pop("model.0.weight"),
    "parameter too many": lambda body, arrays: arrays.update({"model.9": np.zeros(1)}),
    "parameter of another shape":
        lambda body, arrays: arrays.update({"model.0.bias": np.zeros((4, 1), np.float32)}),
    "parameter of another dtype":
        lambda body, arrays: arrays.update({"model.0.bias": np.zeros(4, np.float64)}),
    "no optimizer": lambda body, arrays: body.update(optimizer=None),
    "optimizer of another kind": lambda body, arrays: body.update(optimizer=[1]),
    "another optimizer": lambda body, arrays: body["optimizer"].update({"class": "SGD"}),
    "no groups": lambda body, arrays: body["optimizer"]["state"].pop("param_groups"),
    "groups of another kind":
        lambda body, arrays: body["optimizer"]["state"].update(param_groups=[1]),
    "setting missing":
        lambda body, arrays: body["optimizer"]["state"]["param_groups"][0].pop("lr"),
    "optimizer's array of another shape":
        lambda body, arrays: arrays.update(
            {name: np.zeros(77, np.float32) for name in arrays if name.startswith("optimizer.")}
        ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whole_file_that_does_not_fit_changes_nothing(path, fresh, change):
    rebuilt(path, change)
    before = fingerprint(*fresh)
    with pytest.raises(CheckpointError, match="model.safetensors"):
        md.load(path, *fresh)
    assert fingerprint(*fresh) == before


@pytest.mark.parametrize(
    "options, message",
    [
        ({"hidden": 5}, r"does not fit: (.|\n)*0\.weight: .*\(3, 5\), got float32 \(3, 4\)"),
        ({"batchnorm": False}, r"does not fit: (.|\n)*2\.weight: (missing|unexpected)"),
        ({"dropout": False}, "does not fit: "),
    ],
)
def test_another_model(path, options, message):
    model = build(**options)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    before = fingerprint(model, optimizer)
    with pytest.raises(CheckpointError, match=message):
        md.load(path, model, optimizer)
    assert fingerprint(model, optimizer) == before


def test_another_optimizer(path):
    model = build()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    before = fingerprint(model, optimizer)
    with pytest.raises(CheckpointError, match="holds a Adam, not a SGD"):
        md.load(path, model, optimizer)
    assert fingerprint(model, optimizer) == before


def test_file_without_an_optimizer(tmp_path, trained, fresh):
    md.save(tmp_path / "file", trained[0])
    before = fingerprint(*fresh)
    with pytest.raises(CheckpointError, match="holds no optimizer"):
        md.load(tmp_path / "file", *fresh)
    assert fingerprint(*fresh) == before
    md.load(tmp_path / "file", fresh[0])


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), MemoryError()])
def test_failure_halfway_is_undone(path, fresh, monkeypatch, error):
    model, optimizer = fresh
    before = fingerprint(model, optimizer)
    real = optimizer.load_state_dict
    calls = []

    def fail_once(state):
        real(state)
        calls.append(state)
        if len(calls) == 1:
            raise error

    monkeypatch.setattr(optimizer, "load_state_dict", fail_once)
    with pytest.raises(CheckpointError if isinstance(error, ValueError) else type(error)):
        md.load(path, model, optimizer)
    assert fingerprint(model, optimizer) == before


def test_no_such_file(tmp_path, fresh):
    with pytest.raises(FileNotFoundError):
        md.load(tmp_path / "none", *fresh)


def test_not_a_file(tmp_path, fresh):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(CheckpointError, match="not a regular file"):
            md.load(path, *fresh)


def test_safetensors_file_of_others(tmp_path, fresh):
    for metadata in (None, {"format": "pt"}):
        safetensors.numpy.save_file({"0.weight": np.zeros((3, 4))}, tmp_path / "file", metadata)
        with pytest.raises(CheckpointError, match="not one written by md.save"):
            md.load(tmp_path / "file", *fresh)


@pytest.mark.parametrize("text", ["{}", "[]", "3", "{", '"', "null", "[" * 100_000, "\\ud800"])
def test_metadata_that_is_nonsense(tmp_path, fresh, text):
    safetensors.numpy.save_file({"a": np.zeros(1)}, tmp_path / "file", {"minidrop": text})
    with pytest.raises(CheckpointError):
        md.load(tmp_path / "file", *fresh)


def test_huge_file_that_is_none_is_not_read(tmp_path, fresh):
    with open(tmp_path / "file", "wb") as file:
        file.write((1 << 30).to_bytes(8, "little"))
        file.truncate(2 << 30)
    tracemalloc.start()
    with pytest.raises(CheckpointError, match="header claims 1073741824"):
        md.load(tmp_path / "file", *fresh)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_pickle_is_not_executed(tmp_path, fresh):
    import pickle

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    (tmp_path / "file").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError):
        md.load(tmp_path / "file", *fresh)
    assert not (tmp_path / "executed").exists()
