"""Sequential and ModuleList: lists of layers, and names for them."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from helpers import assert_same_bits, normals

from minidrop.nn import Flatten, Identity, Linear, Module, ModuleList, ReLU, Sequential, Tanh
from minidrop.tensor import Tensor


class Add(Module):
    """x plus a number."""

    def __init__(self, number):
        self.number = number

    def forward(self, x):
        return x + self.number


def numbers(layers):
    return [layer.number for layer in layers]


def names(model):
    return [name for name, _ in model.named_modules()][1:]


@pytest.fixture(params=[lambda *layers: Sequential(*layers), lambda *layers: ModuleList(layers)])
def row(request):
    """A container of the layers given, of either kind."""
    return request.param


# ---- Sequential ----


def test_layers_in_order():
    model = Sequential(Linear(3, 4), Tanh(), Linear(4, 2))
    x = normals((5, 3))
    assert_same_bits(model(x), model[2](model[1](model[0](x))))
    assert names(model) == ["0", "1", "2"]
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_ordered_dict_names():
    model = Sequential(OrderedDict(first=Linear(3, 4), act=ReLU(), last=Linear(4, 2)))
    assert names(model) == ["first", "act", "last"]
    assert model.first is model[0] and model[-1] is model.last
    assert model.append(Tanh()) is model
    assert names(model) == ["first", "act", "last", "3"]
    assert names(model[1:]) == ["act", "last", "2"]


def test_empty():
    x = Tensor(normals((2, 3)))
    assert Sequential()(x) is x and len(Sequential()) == 0
    assert repr(Sequential()) == "Sequential()"


def test_the_same_layer_twice():
    add = Add(2)
    model = Sequential(add, Add(1), add)
    assert len(model) == 3 and names(model) == ["0", "1"]
    assert model(Tensor(0.0)).item() == 5


def test_subclass_with_a_forward_of_its_own():
    class Twice(Sequential):
        def forward(self, x):
            return super().forward(super().forward(x))

    assert Twice(Add(1), Add(2))(Tensor(0.0)).item() == 6


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((Add(1), "relu"), "layer 1 must be a Module, got str"),
        ((ReLU,), "layer 0 must be a Module, got the class ReLU"),
        (([Add(1)],), "layer 0 must be a Module, got list"),
        (({"a": 3},), "layer a must be a Module, got int"),
    ],
)
def test_not_a_layer(layers, message):
    with pytest.raises(TypeError, match=message):
        Sequential(*layers)


@pytest.mark.parametrize("name", ["a.b", "", "forward", "training", "append", 3])
def test_bad_name(name):
    with pytest.raises(ValueError, match="name must be"):
        Sequential({name: Add(1)})


def test_a_layer_replaced_after_a_call():
    model = Sequential(Linear(3, 4), ReLU())
    x = normals((2, 3))
    model(x)
    model[1] = Tanh()
    assert_same_bits(model(x), model[1](model[0](x)))
    setattr(model, "0", Linear(3, 5))
    assert model(x).shape == (2, 5) and names(model) == ["0", "1"]
    del model[1]
    assert_same_bits(model(x), model[0](x))
    model.append(ReLU())
    assert (model(x).data >= 0).all()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_after_a_call(copied):
    model = Sequential(Linear(3, 4), ReLU())
    x = normals((2, 3))
    before = model(x).data
    other = copied(model)
    assert_same_bits(other(x), before)
    assert b"fusion" not in pickle.dumps(model)  # the plan stays behind
    other[0].weight.data[...] = 0
    other[0].bias.data[...] = 1
    assert (other(x).data == 1).all()
    assert_same_bits(model(x), before)


# ---- what both do as lists ----


def test_index_and_iterate(row):
    layers = [Add(i) for i in range(5)]
    model = row(*layers)
    assert len(model) == 5 and list(model) == layers
    assert model[0] is layers[0] and model[-1] is layers[4] and model[np.int64(2)] is layers[2]
    assert layers[3] in model and Add(3) not in model


def test_slice(row):
    model = row(*[Add(i) for i in range(5)])
    part = model[1:4]
    assert type(part) is type(model) and numbers(part) == [1, 2, 3]
    assert part[0] is model[1] and names(part) == ["0", "1", "2"]
    assert numbers(model[::-2]) == [4, 2, 0] and numbers(model[9:]) == []


@pytest.mark.parametrize("index", [5, -6, 10**30])
def test_index_out_of_range(row, index):
    model = row(*[Add(i) for i in range(5)])
    for call in (model.__getitem__, model.__delitem__, lambda i: model.__setitem__(i, Add(9))):
        with pytest.raises(IndexError, match="index must be below 5"):
            call(index)
    assert numbers(model) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("index", [1.0, "0", None])
def test_index_is_no_int(row, index):
    with pytest.raises(TypeError):
        row(Add(1), Add(2))[index]


def test_set_delete_insert_append_extend(row):
    model = row(*[Add(i) for i in range(4)])
    model[-1] = Add(30)
    del model[1]
    model.insert(0, Add(-1))
    assert model.append(Add(40)) is model
    assert numbers(model.extend([Add(50), Add(60)])) == [-1, 0, 2, 30, 40, 50, 60]
    assert names(model) == ["0", "1", "2", "3", "4", "5", "6"]
    del model[1:6]
    assert numbers(model) == [-1, 60] and names(model) == ["0", "1"]


def test_refused_layers_change_nothing(row):
    model = row(Add(1))
    for call in (
        lambda: model.append(3),
        lambda: model.extend([Add(2), 3]),
        lambda: model.insert(0, 3),
        lambda: model.__setitem__(0, 3),
    ):
        with pytest.raises(TypeError, match="must be a Module, got int"):
            call()
    assert numbers(model) == [1]


def test_module_list_parameters_belong_to_the_owner():
    class Net(Module):
        def __init__(self):
            self.layers = ModuleList([Linear(2, 2), Linear(2, 1)])

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    model = Net()
    assert len(list(model.parameters())) == 4
    assert list(model.state_dict())[-1] == "layers.1.bias"
    assert model(normals((3, 2))).shape == (3, 1)
    with pytest.raises(NotImplementedError, match="ModuleList"):
        model.layers(1)


# ---- Identity and Flatten ----


def test_identity():
    x = Tensor(normals((2, 3)))
    assert Identity()(x) is x and Identity(3, p=0.5)(x) is x
    assert Identity()(x.data).shape == (2, 3)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Flatten(), (2, 60)),
        (Flatten(0), (120,)),
        (Flatten(2), (2, 3, 20)),
        (Flatten(1, 2), (2, 12, 5)),
        (Flatten(-2), (2, 3, 20)),
    ],
)
def test_flatten(layer, shape):
    x = normals((2, 3, 4, 5))
    assert_same_bits(layer(x), x.reshape(shape))


def test_flatten_empty_batch_and_bad_dims():
    assert Flatten()(normals((0, 3, 4))).shape == (0, 12)
    with pytest.raises(TypeError, match="start_dim"):
        Flatten(1.0)
    with pytest.raises(ValueError):
        Flatten(3)(normals((2, 3)))
