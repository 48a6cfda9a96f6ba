"""The networks as a user of minidrop writes them."""

import minidrop as md
from bench.networks.definition import KERNEL, data, layers_of, weights
from minidrop import nn, optim


def batch_of(batch):
    """Images as a Tensor, and labels."""
    x, labels = data(batch)
    return md.Tensor(x), labels


def build(network, dropout=True, common=True):
    """The model with the common weights, or with those that its layers begin with; `dropout=False`
    sets every rate to 0."""
    parameters, layers = iter(weights(network)), []
    for kind, *numbers in layers_of(network):
        if kind == "conv":
            layer = nn.Conv2d(*numbers, KERNEL)
        elif kind == "linear":
            layer = nn.Linear(*numbers)
        elif kind == "dropout":
            layer = nn.Dropout(numbers[0] if dropout else 0.0)
        elif kind == "pool":
            layer = nn.MaxPool2d(2)
        else:
            layer = {"relu": nn.ReLU, "flatten": nn.Flatten}[kind]()
        if common and kind in ("conv", "linear"):
            layer.weight.data[...], layer.bias.data[...] = next(parameters)
        layers.append(layer)
    return nn.Sequential(*layers)


def optimizer(name, model, lr):
    params = model.parameters()
    if name == "sgd":
        return optim.SGD(params, lr, momentum=0.9)
    return {"adam": optim.Adam, "adadelta": optim.Adadelta}[name](params, lr)
