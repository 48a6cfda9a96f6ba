"""The suites, by name, in the order they run."""

from importlib import import_module

NAMES = (
    "matmul",
    "matmul_stack",
    "conv2d",
    "mask",
    "dropout",
    "dropout_laws",
    "dropout_family",
    "pool",
    "activation",
    "norm",
    "optimizer",
    "train_step",
    "inference",
    "monte_carlo",
    "epoch",
    "growth",
    "overhead",
)


def load(name):
    """The module of one suite."""
    return import_module(f"bench.suites.{name}")


def find(suite_name, case_name):
    """(suite, case) of these names. KeyError if there is no such case."""
    suite = load(suite_name)
    for case in suite.cases():
        if case.name == case_name:
            return suite, case
    raise KeyError(f"{suite_name} has no case {case_name!r}")


def name_of(suite):
    """The name by which `load` finds the module."""
    return suite.__name__.rpartition(".")[2]


def select(text):
    """[(suite, case)] whose `suite case` name contains `text`, in order."""
    chosen = []
    for name in NAMES:
        suite = load(name)
        for case in suite.cases():
            if text in f"{name} {case.name}":
                chosen.append((suite, case))
    return chosen
