"""Who may know whom. The rules are read from the syntax trees and the headers, so that a line that
does not know its room fails here, and not in a review."""

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE, CSRC = ROOT / "minidrop", ROOT / "csrc"

# Room of minidrop/ -> the rooms that it may import. A room is a module or a folder; its own is
# always allowed. `__init__` binds them together and may import all.
MAY_IMPORT = {
    "arguments": set(),
    "versions": {"_kernels"},
    "tensor": {"_kernels"},
    "gradcheck": {"tensor"},
    "random": {"_kernels"},
    "functional": {"arguments", "tensor", "random", "_kernels"},
    "nn": {"arguments", "functional", "tensor", "random"},
    "optim": {"tensor", "_kernels"},
    "data": {"arguments", "tensor", "random"},
    "io": {"nn", "optim", "tensor", "random", "__init__"},
    "masks": {"io", "nn", "random"},
    "train": {"arguments", "io", "data", "nn", "optim", "functional", "tensor", "random"},
}
# What a module may import outside of functions beside the standard library, by room; inside of
# functions anything goes, so that an extra is needed by who uses it.
OUTSIDE = {"io": {"numpy", "safetensors"}}
NUMPY = {"numpy"}
# Families of kernels that are so close that one file tests both.
TESTED_WITH = {"loss": "softmax", "batch_norm": "norm", "layer_norm": "norm"}
FRAMEWORKS = {"torch", "jax", "tensorflow", "mxnet", "tinygrad", "cupy"}

SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
HEADERS = sorted((CSRC / "kernels").glob("*.h"))


def short(path):
    return str(path.relative_to(ROOT))


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imports(path):
    """[(dotted name, whether it stands in a function)] of everything that a file imports."""
    found, tree = [], ast.parse(path.read_text())
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = absolute(path, node)
        else:
            continue
        found += [(name, id(node) in inside) for name in names]
    return found


def absolute(path, node):
    """What a `from ... import` names, each with the package in front of it."""
    if not node.level:
        base = node.module
    else:
        package = path.relative_to(ROOT).parts[: -node.level]
        base = ".".join([*package, *([node.module] if node.module else [])])
    return [f"{base}.{alias.name}" for alias in node.names]


def rooms_imported(path):
    for name, _ in imports(path):
        top, *rest = name.split(".")
        if top == "minidrop":
            known = rest and (
                rest[0] == "_kernels"
                or (PACKAGE / rest[0]).is_dir()
                or (PACKAGE / f"{rest[0]}.py").is_file()
            )
            yield rest[0] if known else "__init__"


def strangers_imported(path, in_functions):
    """Packages that are neither ours nor the standard library's."""
    for name, inside in imports(path):
        top = name.split(".")[0]
        if top != "minidrop" and top not in sys.stdlib_module_names and inside <= in_functions:
            yield top


# ---- everything ----


def test_no_line_is_longer_than_100_columns():
    root = Path(__file__).parents[1]
    folders = ("csrc", "minidrop", "examples", "bench", "tests")
    files = [p for folder in folders for p in (root / folder).rglob("*.[chp]*")]
    long = [
        f"{path.relative_to(root)}:{number}"
        for path in files
        if path.suffix in (".c", ".h", ".py", ".pyx", ".pxd", ".pyi") and path.name != "_kernels.c"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 100
    ]
    assert files and not long, f"longer than 100 columns: {long}"


# ---- Python ----


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_imports_only_what_stands_below_it(path):
    room = room_of(path)
    if room == "__init__":
        return
    assert room in MAY_IMPORT, f"{short(path)}: say in MAY_IMPORT what this room may know"
    wrong = set(rooms_imported(path)) - MAY_IMPORT[room] - {room}
    assert not wrong, f"{short(path)} must not import {sorted(wrong)}"


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_outside_packages(path):
    wrong = set(strangers_imported(path, False)) - OUTSIDE.get(room_of(path), NUMPY)
    assert not wrong, f"{short(path)} must import {sorted(wrong)} where it is used, in a function"


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=short)
def test_no_other_framework(path):
    assert not FRAMEWORKS & set(strangers_imported(path, True))


def test_the_rules_see_every_kind_of_import(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path / "minidrop")
    layer = tmp_path / "minidrop" / "nn" / "dropout" / "layer.py"
    layer.parent.mkdir(parents=True)
    (tmp_path / "minidrop" / "random.py").touch()
    layer.write_text(
        "import numpy, minidrop._kernels\n"
        "from ... import random, zeros\n"
        "from ..module import Module\n"
        "def f():\n    import torch.nn\n    from ..._kernels import add\n"
    )
    assert sorted(rooms_imported(layer)) == ["__init__", "_kernels", "_kernels", "nn", "random"]
    assert list(strangers_imported(layer, False)) == ["numpy"]
    assert sorted(strangers_imported(layer, True)) == ["numpy", "torch"]


def test_no_room_for_leftovers():
    vague = {"utils", "util", "common", "misc", "helper", "stuff"}
    folders = [PACKAGE, CSRC, ROOT / "tests", ROOT / "bench", ROOT / "examples"]
    found = [short(p) for folder in folders for p in folder.rglob("*") if p.stem in vague]
    assert not found


# ---- C ----


def families():
    """The kernel families: the banners of the table in minidrop.h."""
    return re.findall(r"/\* ---- (\w+)\.h", (CSRC / "minidrop.h").read_text())


def included(path):
    return re.findall(r'#include [<"]([^>"]+)[>"]', path.read_text())


def test_every_family_has_its_kernels_its_meaning_and_its_test():
    assert len(families()) == len(set(families())) > 5
    missing = [
        short(path)
        for name in families()
        for path in (
            CSRC / "kernels" / f"{name}.h",
            CSRC / "reference" / f"{name}.h",
            ROOT / "tests" / "kernels" / f"test_{TESTED_WITH.get(name, name)}.py",
        )
        if not path.is_file()
    ]
    assert not missing
    assert {p.stem for p in (CSRC / "reference").glob("*.h")} == set(families())


def test_every_kernel_is_in_both_tables():
    struct = re.search(
        r"typedef struct md_kernels \{(.*)\} md_kernels;",
        (CSRC / "minidrop.h").read_text(),
        re.DOTALL,
    )
    kernels = re.findall(r"\(\*(\w+)\)\(", struct[1])
    assert len(kernels) == len(set(kernels)) > 10
    filled = re.findall(r"^\.(\w+) = \1,$", (CSRC / "entries.h").read_text(), re.M)
    assert sorted(filled) == sorted(kernels)


def test_every_kernel_header_is_used():
    used = {Path(name).name for path in HEADERS for name in included(path)}
    assert not {path.name for path in HEADERS} - used - {"table.h"}
    assert set(families()) <= {Path(name).stem for name in included(CSRC / "kernels" / "table.h")}


@pytest.mark.parametrize("path", HEADERS, ids=short)
def test_kernels_include_only_the_vocabulary_and_each_other(path):
    beside = {p.name for p in HEADERS}
    assert set(included(path)) <= beside | {"../minidrop.h", "../vec.h", "../rng.h", "../entries.h"}


@pytest.mark.parametrize("path", sorted((CSRC / "isa").glob("*.c")), ids=short)
def test_an_isa_is_numbers(path):
    intrinsics = {"immintrin.h", "arm_neon.h"}
    assert set(included(path)) - intrinsics <= {"target.h", "../kernels/table.h"}
    assert len(path.read_text().splitlines()) <= 30


@pytest.mark.parametrize("path", sorted(CSRC.rglob("*.[ch]")), ids=short)
def test_c_knows_no_python_prints_nothing_and_allocates_in_one_place(path):
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    assert not re.search(r"Python\.h|numpy|printf|\b(assert|abort|exit)\(", text)
    if path.stem != "memory":
        assert not re.search(r"\b(malloc|calloc|realloc|free|alloca)\(", text)
