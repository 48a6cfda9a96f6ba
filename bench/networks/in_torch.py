"""The networks as a PyTorch user writes them."""

import torch
from torch import nn

from bench.networks.definition import KERNEL, data, walk, weights


def batch_of(batch, channels_last):
    """Images in the layout asked for, and labels."""
    x, labels = data(batch)
    x = torch.from_numpy(x).permute(0, 3, 1, 2)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return x.contiguous(memory_format=layout), torch.from_numpy(labels)


def build(network, channels_last, dropout=True):
    """The model with the common weights; `dropout=False` sets every rate to 0."""
    parameters, layers, spatial = iter(weights(network)), [], None
    for (kind, *numbers), shape in walk(network):
        if kind == "conv":
            layer = nn.Conv2d(*numbers, KERNEL)
            w, b = next(parameters)
            _set(layer, w.transpose(3, 2, 0, 1), b)
        elif kind == "linear":
            layer = nn.Linear(*numbers)
            w, b = next(parameters)
            if spatial:  # the rows come in the order h, w, c; NCHW flattens to c, h, w
                w = w.reshape(*spatial, -1).transpose(2, 0, 1, 3).reshape(w.shape)
                spatial = None
            _set(layer, w.T, b)
        elif kind == "dropout":
            layer = nn.Dropout(numbers[0] if dropout else 0.0)
        elif kind == "flatten":
            layer, spatial = nn.Flatten(), shape
        else:
            layer = nn.ReLU() if kind == "relu" else nn.MaxPool2d(2)
        layers.append(layer)
    model = nn.Sequential(*layers)
    return model.to(memory_format=torch.channels_last) if channels_last else model


def _set(layer, w, b):
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(w.copy()))
        layer.bias.copy_(torch.from_numpy(b))


def optimizer(name, model, lr):
    """The fastest version PyTorch offers on CPUs: fused where there is one."""
    params = model.parameters()
    if name == "sgd":
        return torch.optim.SGD(params, lr, momentum=0.9, fused=True)
    if name == "adam":
        return torch.optim.Adam(params, lr, fused=True)
    return torch.optim.Adadelta(params, lr, foreach=True)
