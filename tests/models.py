"""Small modules that the tests of Module share."""

import numpy as np

import minidrop.functional as F
from minidrop.nn import Module, Parameter


class Scale(Module):
    """x times a parameter, and a buffer that counts calls in training."""

    def __init__(self, start=1.0):
        self.factor = Parameter(np.full(3, start, np.float32))
        self.register_buffer("calls", 0)
        self.register_buffer("cache", np.zeros(2, np.float32), persistent=False)

    def forward(self, x):
        if self.training:
            self.calls.data += 1
        return F.mul(x, self.factor)


class Pair(Module):
    """Two children, a parameter of its own, and attributes that are none."""

    def __init__(self):
        self.first = Scale(2.0)
        self.bias = Parameter(np.zeros(3, np.float32))
        self.second = Scale(3.0)
        self.nothing = None
        self.note = "text"
        self.list = [Scale()]  # hidden in a list: not found

    def forward(self, x):
        return F.add(self.second(self.first(x)), self.bias)
