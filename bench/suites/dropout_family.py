"""Every layer of the dropout family: a training forward and its backward on 1.6 million elements,
to be read against standard dropout's row. Bytes: one float read, one written, each way."""

import numpy as np

from bench.suites.case import Case, Task, normal

CONTESTANTS = ("minidrop",)

FLAT, SEQUENCE, IMAGES, VOLUMES = (
    (1_605_632,), (32, 784, 64), (32, 28, 28, 64), (32, 7, 16, 7, 64),
)  # fmt: skip
WEIGHT = (1568, 1024)  # of a layer whose weights are dropped
SHAPES = {
    "Dropout": FLAT, "Dropout1d": SEQUENCE, "Dropout2d": IMAGES, "Dropout3d": VOLUMES,
    "VariationalDropout": SEQUENCE, "DropPath": IMAGES, "AlphaDropout": FLAT,
    "FeatureAlphaDropout": IMAGES, "GaussianDropout": FLAT, "GaussianNoise": FLAT,
    "DropBlock2d": IMAGES, "ConcreteDropout": FLAT, "Zoneout": FLAT, "DropConnect": (64, 1568),
    "WeightDrop": (64, 1568),
}  # fmt: skip


def cases():
    return [Case(name, "byte", 16 * 1_605_632, (name,)) for name in SHAPES]


def layer_of(name, p=0.5):
    """The layer, and how many inputs it takes."""
    from minidrop import nn

    if name == "GaussianNoise":
        return nn.GaussianNoise(0.1), 1
    if name == "DropBlock2d":
        return nn.DropBlock2d(p, 7), 1
    if name == "DropConnect":
        return nn.DropConnect(nn.Linear(*WEIGHT), p), 1
    if name == "WeightDrop":
        return nn.WeightDrop(nn.Linear(*WEIGHT), "weight", p), 1
    return getattr(nn, name)(p), 2 if name == "Zoneout" else 1


def verify(case, outputs):
    """All of it is a number, something was dropped or changed, and the gradient is that of x."""
    (name,) = case.spec
    y, dx = outputs
    assert dx.shape == SHAPES[name] and dx.any()
    assert np.isfinite(y).all() and np.isfinite(dx).all()
    assert y.shape != dx.shape or not np.array_equal(y, normal(*SHAPES[name], seed=1))


def make(contestant, case):
    import minidrop as md

    (name,) = case.spec
    layer, inputs = layer_of(name)
    x = [md.Tensor(normal(*SHAPES[name], seed=i + 1), requires_grad=True) for i in range(inputs)]
    dout = np.ones_like(layer(*x).data)

    def run():
        for t in (*x, *layer.parameters()):
            t.grad = None
        y = layer(*x)
        y.backward(dout)
        return y

    return Task(run, lambda: [run().data, x[0].grad])
