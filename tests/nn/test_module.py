"""Module: what it lists, what it keeps, what it refuses."""

import copy
import pickle

import numpy as np
import pytest
from helpers import assert_same_bits, normals
from models import Pair, Scale

from minidrop import optim
from minidrop.nn import BatchNorm2d, Conv2d, Linear, Module, ModuleList, Parameter, Sequential
from minidrop.tensor import Tensor


def names(pairs):
    return [name for name, _ in pairs]


# ---- what it is made of ----


def test_lists_in_order_of_definition():
    model = Pair()
    assert names(model.named_parameters()) == ["bias", "first.factor", "second.factor"]
    assert names(model.named_modules()) == ["", "first", "second"]
    assert names(model.named_children()) == ["first", "second"]
    assert names(model.named_buffers()) == [
        "first.calls",
        "first.cache",
        "second.calls",
        "second.cache",
    ]
    assert [p.shape for p in model.parameters()] == [(3,)] * 3
    assert list(model.children()) == [model.first, model.second]
    assert list(model.modules()) == [model, model.first, model.second]
    assert len(list(model.buffers())) == 4


def test_prefix_and_recurse():
    model = Pair()
    assert names(model.named_parameters("net")) == [
        "net.bias",
        "net.first.factor",
        "net.second.factor",
    ]
    assert names(model.named_parameters(recurse=False)) == ["bias"]
    assert len(list(model.parameters(recurse=False))) == 1
    assert names(model.first.named_buffers("x", recurse=False)) == ["x.calls", "x.cache"]
    assert names(model.named_modules("net")) == ["net", "net.first", "net.second"]


def test_no_super_init_needed_and_no_parameters():
    class Plain(Module):
        def __init__(self):
            self.child = Linear(2, 2)

        def forward(self, x):
            return self.child(x)

    assert len(list(Plain().parameters())) == 2
    assert list(Module().parameters()) == [] and Module().state_dict() == {}


def test_shared_parameters_and_modules_are_listed_once():
    model = Pair()
    model.second = model.first
    model.tied = model.first.factor
    assert names(model.named_parameters()) == ["bias", "tied"]
    assert names(model.named_modules()) == ["", "first"]
    assert set(model.state_dict()) == {"bias", "tied", "first.calls"}


def test_a_module_that_knows_its_parent():
    model = Pair()
    model.first.parent = model
    assert len(list(model.modules())) == 3
    assert len(list(model.train().parameters())) == 3


def test_forward_missing():
    with pytest.raises(NotImplementedError, match="Module defines no forward"):
        Module()(1)


@pytest.mark.parametrize("value", [np.zeros(3), 1.0, Tensor(np.zeros(3, np.float32))])
def test_a_parameter_cannot_become_something_else(value):
    layer = Scale()
    before = layer.factor
    with pytest.raises(TypeError, match="factor is a Parameter"):
        layer.factor = value
    assert layer.factor is before
    layer.factor = Parameter(np.ones(3, np.float32))
    layer.factor = None
    assert names(layer.named_parameters()) == []


def test_a_child_or_buffer_cannot_become_something_else():
    model = Pair()
    with pytest.raises(TypeError, match="first is a Module"):
        model.first = print
    with pytest.raises(TypeError, match="calls is a Tensor"):
        model.first.calls = np.zeros(())
    model.first.calls = Tensor(5)
    assert model.state_dict()["first.calls"] == 5


@pytest.mark.parametrize("name", ["a.b", "", "forward", "training", "factor", 3, "two words"])
def test_register_buffer_bad_name(name):
    layer = Scale()
    with pytest.raises(ValueError, match="name must be"):
        layer.register_buffer(name, np.zeros(1))
    assert names(layer.named_buffers()) == ["calls", "cache"]


def test_register_buffer_none_and_again():
    layer = Scale()
    layer.register_buffer("mean", None)
    assert layer.mean is None and "mean" not in dict(layer.named_buffers())
    layer.register_buffer("mean", np.ones(2, np.float32))
    assert "mean" in layer.state_dict()
    assert "mean" not in Scale().state_dict()


# ---- Parameter ----


def test_parameter_read_only_and_transposed():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert Parameter(array).data is array
    array.flags.writeable = False
    for given in (array, array.T):
        p = Parameter(given)
        p.data[...] = 1
        assert p.shape == given.shape and p.data.flags.c_contiguous
    assert Parameter(1.5).shape == ()


def test_parameter_at_an_odd_address():
    odd = np.zeros(4 * 6 + 1, np.uint8)[1:].view(np.float32).reshape(2, 3)
    p = Parameter(odd)
    p.grad = np.ones((2, 3), np.float32)
    optim.SGD([p], lr=1).step()
    assert (p.data == -1).all()


def test_parameters_of_layers_begin_on_a_cache_line():
    layers = [Linear(3, 5), Linear(500, 700), Conv2d(3, 8, 3), BatchNorm2d(7)]
    assert all(p.data.ctypes.data % 64 == 0 for layer in layers for p in layer.parameters())


def test_parameter_integers():
    with pytest.raises(TypeError, match="float"):
        Parameter(np.arange(3))
    assert not Parameter([1.0], requires_grad=False).requires_grad
    assert repr(Parameter([1.0])).startswith("Parameter([1.]")


def test_parameter_copies_leave_the_gradient():
    p = Parameter(np.ones(2, np.float32))
    p.grad = np.ones(2, np.float32)
    for other in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(other) is Parameter and other.requires_grad and other.grad is None
        other.data[...] = 7
    assert (p.data == 1).all()


# ---- what it does to all of it ----


def test_train_and_eval():
    model = Pair()
    assert model.training and model.eval() is model
    assert not any(m.training for m in model.modules())
    model.first.train()
    assert [m.training for m in model.modules()] == [False, True, False]
    assert model.train().training
    with pytest.raises(TypeError, match="mode"):
        model.train("eval")


def test_apply_visits_children_first():
    model, seen = Pair(), []
    assert model.apply(seen.append) is model
    assert seen == [model.first, model.second, model]


def test_zero_grad():
    model = Pair()
    model(np.ones((2, 3), np.float32)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_hook_sees_and_replaces():
    layer, seen = Scale(2.0), []
    x = np.ones((1, 3), np.float32)
    first = layer.register_forward_hook(lambda module, args, out: seen.append((module, args)))
    second = layer.register_forward_hook(lambda module, args, out: out * 10)
    assert layer(x).data.tolist() == [[20, 20, 20]]
    assert seen[0][0] is layer and seen[0][1][0] is x
    second.remove()
    second.remove()
    assert layer(x).data.tolist() == [[2, 2, 2]] and len(seen) == 2
    first.remove()
    layer(x)
    assert len(seen) == 2
    with layer.register_forward_hook(lambda module, args, out: out * 0):
        assert layer(x).data.tolist() == [[0, 0, 0]]
    assert layer(x).data.tolist() == [[2, 2, 2]]
    with pytest.raises(TypeError, match="hook must be callable"):
        layer.register_forward_hook(3)


def test_hook_removed_while_hooks_run():
    layer = Scale()
    handle = layer.register_forward_hook(lambda *_: handle.remove())
    layer.register_forward_hook(lambda module, args, out: out * 2)
    assert layer(np.ones(3, np.float32)).data.tolist() == [2, 2, 2]


def test_hooks_of_one_module_only():
    Scale().register_forward_hook(lambda *_: 1 / 0)
    Scale()(np.ones(3, np.float32))


# ---- copies and looks ----


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_deepcopy_and_pickle(copied):
    model = Pair().eval()
    model.again = model.first
    other = copied(model)
    assert other.again is other.first and other.first is not model.first
    assert not other.training and names(other.named_buffers()) == names(model.named_buffers())
    other.bias.data[...] = 5
    other.first.calls.data += 1
    assert model.bias.data.tolist() == [0, 0, 0] and model.first.calls.item() == 0
    x = normals((2, 3))
    assert_same_bits(copied(model)(x), model(x))


def test_deepcopy_takes_hooks_along():
    layer = Scale()
    handle = layer.register_forward_hook(lambda module, args, out: out * 2)
    other = copy.deepcopy(layer)
    handle.remove()
    x = np.ones(3, np.float32)
    assert other(x).data.tolist() == [2, 2, 2] and layer(x).data.tolist() == [1, 1, 1]


def test_repr_nested():
    model = Sequential(Linear(2, 3), Sequential(Linear(3, 1, bias=False)), ModuleList())
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (1): Sequential(\n"
        "    (0): Linear(in_features=3, out_features=1, bias=False)\n"
        "  )\n"
        "  (2): ModuleList()\n"
        ")"
    )
    assert repr(Scale()) == "Scale()"
