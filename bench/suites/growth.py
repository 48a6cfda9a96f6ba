"""How the cost grows: one number of a row of another suite goes up, the rest stays.

- batch: a training step of the classic CNN;
- depth: a training step of so many linear layers 128 wide, batch 64;
- channels: convolution 16x28x28xC, 3x3xC, forward;
- size: convolution 4xSxSx32, 3x3x64, forward.
"""

from dataclasses import replace

from bench import suites
from bench.suites import conv2d, train_step

CONTESTANTS = ("minidrop", "torch", "torch_cl_tuned")

VALUES = {
    "batch": (1, 4, 16, 32, 64, 128, 256),
    "depth": (2, 5, 10, 20, 50, 100, 200),
    "channels": (4, 8, 16, 32, 64, 128, 256),
    "size": (14, 28, 56, 112, 224),
}
UNITS = {
    "batch": "images",
    "depth": "linear layers",
    "channels": "channels in and out",
    "size": "pixels along each side",
}


def grown(kind, value):
    """The suite and the case that stand behind a row."""
    if kind == "batch":
        return train_step, train_step.case("cnn", value, "adam")
    if kind == "depth":
        return train_step, train_step.case(f"deep-{value}", 64, "adam")
    if kind == "channels":
        return conv2d, conv2d.case(kind, "forward", (16, value, 28, value, 3, 1, 1, 1))
    return conv2d, conv2d.case(kind, "forward", (4, 32, value, 64, 3, 1, 1, 1))


def cases():
    found = []
    for kind, values in VALUES.items():
        for value in values:
            suite, case = grown(kind, value)
            spec = (suites.name_of(suite), case)
            found.append(replace(case, name=f"{kind} {value}", spec=spec))
    return found


def verify(case, outputs):
    suite, inner = case.spec
    suites.load(suite).verify(replace(inner, name=f"growth {case.name}"), outputs)


def make(contestant, case):
    suite, inner = case.spec
    return suites.load(suite).make(contestant, inner)
