import os

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from helpers import fingerprint
from trained import build, train

import minidrop as md
from minidrop import optim
from minidrop.io import CheckpointError


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
