"""What a layer costs beside its arithmetic: 100 equal layers in a row, on 4 rows of 16 numbers, in
training. A run over 100 is the time of a layer; a step is forward and backward. A model is what a
user writes, `nn.Sequential`. Libraries that compile all layers into one function take no part: they
take minutes for it. Bytes: each layer reads as much as it writes, in a step twice."""

from importlib import import_module

import numpy as np

from bench import reference
from bench.suites.case import Case, Task, assert_close, normal

CONTESTANTS = ("minidrop", "torch")

KINDS = ("linear", "relu", "dropout", "batch_norm")
DIRECTIONS = ("forward", "step")
LAYERS, ROWS, WIDTH = 100, 4, 16
RATE = 0.1
EPS = 1e-5


def cases():
    size = 2 * 4 * ROWS * WIDTH * LAYERS
    return [
        Case(f"{kind} {direction}", "byte", size * (1 + (direction == "step")), (kind, direction))
        for kind in KINDS
        for direction in DIRECTIONS
    ]


def operands():
    """x, the gradient of the last layer's output, and the weights of linear layers."""
    x, dy = normal(ROWS, WIDTH, seed=1), normal(ROWS, WIDTH, seed=2)
    rotations = [np.linalg.qr(normal(WIDTH, WIDTH, seed=3 + i))[0] for i in range(LAYERS)]
    return x, dy, rotations


def plain(kind):
    """[y, dx]; dropout as one that drops nothing."""
    x, dy, rotations = operands()
    x, dy = x.astype(np.float64), dy.astype(np.float64)
    back = []
    for w in rotations:
        if kind == "linear":
            x = x @ w
            back.append(lambda d, w=w: d @ w.T)
        elif kind == "relu":
            x = np.maximum(x, 0)
            back.append(lambda d, y=x: d * (y > 0))
        elif kind == "batch_norm":
            x, inverse = reference.normalize(x, 0, EPS)
            back.append(lambda d, y=x, i=inverse: reference.normalize_gradient(d, y, i, 0))
    for gradient in reversed(back):
        dy = gradient(dy)
    return [x, dy]


def verify(case, outputs):
    kind, direction = case.spec
    right = plain(kind)
    for got, expected, name in zip(outputs, right, ("y", "dx"), strict=direction == "step"):
        assert_close(got, expected, rtol=1e-3, what=f"{case.name} {name}")


def make(contestant, case):
    """Both libraries take the same names; only the weight of a linear layer lies the other way."""
    library, (kind, direction) = import_module(contestant.library), case.spec
    nn, (x, dy, rotations) = library.nn, operands()
    dy = library.tensor(dy)

    def layer(w, rate):
        if kind == "linear":
            found = nn.Linear(WIDTH, WIDTH)
            found.weight.data[...] = library.tensor(w if contestant.library == "minidrop" else w.T)
            found.bias.data[...] = 0
            return found
        return {"relu": nn.ReLU, "dropout": lambda: nn.Dropout(rate),
                "batch_norm": lambda: nn.BatchNorm1d(WIDTH, EPS)}[kind]()  # fmt: skip

    def runner(rate):
        model = nn.Sequential(*(layer(w, rate) for w in rotations))
        parameters = list(model.parameters())
        leaf = library.tensor(x, requires_grad=direction == "step")

        def run():
            y = model(leaf)
            if direction == "forward":
                return [y.detach().numpy()]
            y.backward(dy)
            gradient, leaf.grad = leaf.grad, None
            for parameter in parameters:
                parameter.grad = None
            return [y.detach().numpy(), np.asarray(gradient)]

        return run

    return Task(runner(RATE), runner(0.0))
