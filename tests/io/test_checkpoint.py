import json
import os
import tracemalloc

import numpy as np
import pytest
import safetensors
import safetensors.numpy

import minidrop as md
from minidrop import nn, optim
from minidrop.io import CheckpointError


def build(hidden=4, batchnorm=True, dropout=True):
    layers = [nn.Linear(3, hidden), nn.ReLU()]
    layers += [nn.BatchNorm1d(hidden)] if batchnorm else []
    layers += [nn.Dropout(0.5)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(hidden, 2))


def train(model, optimizer, steps, seed=0):
    """A few steps on random data; the parameters afterwards depend on all of the state."""
    rng = np.random.default_rng(seed)
    loss = nn.CrossEntropyLoss()
    for _ in range(steps):
        optimizer.zero_grad()
        x = md.Tensor(rng.standard_normal((6, 3)).astype(np.float32))
        loss(model(x), rng.integers(0, 2, 6)).backward()
        optimizer.step()


def fingerprint(model, optimizer):
    """All state as one comparable value."""
    state = {name: np.asarray(v).tobytes() for name, v in model.state_dict().items()}
    return state, repr(model.extra_state()), repr(optimizer.state_dict()), md.get_rng_state()


@pytest.fixture
def trained():
    md.manual_seed(3)
    model = build()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    train(model, optimizer, 3)
    return model, optimizer


@pytest.fixture
def state(trained):
    """The fingerprint of what the file at `path` holds."""
    return fingerprint(*trained)


@pytest.fixture
def fresh(state):
    """Another model in another state; made after `state` has been taken."""
    md.manual_seed(4)
    model = build()
    optimizer = optim.Adam(model.parameters(), lr=0.5)
    train(model, optimizer, 1)
    return model, optimizer


@pytest.fixture
def path(tmp_path, trained):
    md.save(tmp_path / "model.safetensors", *trained, epoch=7)
    return tmp_path / "model.safetensors"


def test_restores_everything(path, state, fresh):
    assert fingerprint(*fresh) != state
    assert md.load(path, *fresh) == {"epoch": 7}
    assert fingerprint(*fresh) == state


def test_training_goes_on_with_the_same_bits(path, trained, fresh):
    train(*trained, 4, seed=1)
    expected = fingerprint(*trained)[:3]
    md.load(path, *fresh)
    train(*fresh, 4, seed=1)
    assert fingerprint(*fresh)[:3] == expected


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1),
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p: optim.Adam(p, lr=0.1),
        lambda p: optim.AdamW(p, lr=0.1),
        lambda p: optim.RMSprop(p, lr=0.1, momentum=0.5),
        lambda p: optim.Adagrad(p, lr=0.1),
        lambda p: optim.Adadelta(p, lr=0.1),
    ],
    ids=["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "adagrad", "adadelta"],
)
def test_every_optimizer_goes_on(tmp_path, make):
    model = build()
    optimizer = make(model.parameters())
    train(model, optimizer, 3)
    md.save(tmp_path / "file", model, optimizer)
    train(model, optimizer, 3, seed=1)
    other = build()
    other_optimizer = make(other.parameters())
    md.load(tmp_path / "file", other, other_optimizer)
    train(other, other_optimizer, 3, seed=1)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], value)


def test_before_the_first_step(tmp_path, fresh):
    model = build()
    optimizer = optim.Adam(model.parameters(), lr=0.25)
    md.save(tmp_path / "file", model, optimizer)
    expected = fingerprint(model, optimizer)
    md.load(tmp_path / "file", *fresh)
    assert fingerprint(*fresh) == expected


def test_parameter_groups(tmp_path):
    def make():
        model = build()
        first, last = list(model[0].parameters()), list(model[-1].parameters())
        return model, optim.Adam([{"params": first, "lr": 0.1}, {"params": last}], lr=0.2)

    model, optimizer = make()
    train(model, optimizer, 2)
    md.save(tmp_path / "file", model, optimizer)
    other, other_optimizer = make()
    other_optimizer.param_groups[0]["lr"] = 5.0
    md.load(tmp_path / "file", other, other_optimizer)
    assert [group["lr"] for group in other_optimizer.param_groups] == [0.1, 0.2]
    assert fingerprint(other, other_optimizer) == fingerprint(model, optimizer)
    with pytest.raises(CheckpointError, match="groups of"):
        md.load(tmp_path / "file", model, optim.Adam(model.parameters(), lr=0.1))


def test_meta(tmp_path, trained):
    meta = {
        "history": {"loss": [1.5, float("inf")]},
        "shape": (28, 28, 1),
        "best": {"weights": np.arange(6, dtype=np.float64).reshape(2, 3)},
        "path": None,
        "name": "run 1",
    }
    del meta["path"]
    md.save(tmp_path / "file", *trained, **meta)
    got = md.load(tmp_path / "file", *trained)
    np.testing.assert_array_equal(got["best"].pop("weights"), meta["best"].pop("weights"))
    assert got == meta


def test_model_alone(path, state, fresh):
    """For prediction, the optimizer in the file is not needed."""
    optimizer_before = repr(fresh[1].state_dict())
    md.load(path, fresh[0])
    assert fingerprint(*fresh)[:2] == state[:2]
    assert repr(fresh[1].state_dict()) == optimizer_before


def test_loaded_arrays_are_the_model_s_own(path, fresh):
    parameters = list(fresh[0].parameters())
    md.load(path, *fresh)
    assert [id(p) for p in fresh[0].parameters()] == [id(p) for p in parameters]
    assert all(p.data.flags.writeable for p in fresh[0].parameters())
    train(*fresh, 1)


def test_any_safetensors_reader_reads_it(path, trained):
    with safetensors.safe_open(path, framework="np") as file:
        names = set(file.keys())
        for name, value in trained[0].state_dict().items():
            np.testing.assert_array_equal(file.get_tensor(f"model.{name}"), np.asarray(value))
    assert {name.split(".")[0] for name in names} == {"model", "optimizer"}


def test_same_state_same_bytes(path, trained, tmp_path):
    md.save(tmp_path / "again", *trained, epoch=7)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


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


def nested():
    value = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "error, value", [(TypeError, object()), (TypeError, {1, 2}), (ValueError, nested())]
)
def test_meta_that_cannot_be_saved_leaves_the_old_file(path, trained, error, value):
    before = path.read_bytes()
    with pytest.raises(error, match="meta"):
        md.save(path, *trained, note=value)
    assert path.read_bytes() == before


def test_failed_save_leaves_the_old_file(path, trained, monkeypatch):
    before = path.read_bytes()
    train(*trained, 1)
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            md.save(path, *trained)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_saving_changes_nothing(trained, tmp_path):
    before = fingerprint(*trained)
    md.save(tmp_path / "file", *trained)
    assert fingerprint(*trained) == before


def test_arguments_of_another_kind_are_named(trained, tmp_path):
    model, optimizer = trained
    path = tmp_path / "file"
    for call in (md.save, md.load):
        with pytest.raises(TypeError, match="model must be a Module, got NoneType"):
            call(path, None)
        with pytest.raises(TypeError, match="optimizer must be an Optimizer, got Sequential"):
            call(path, model, model)
        if call is md.save:
            assert not path.exists()
            md.save(path, model, optimizer)
