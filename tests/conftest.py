"""Fixtures that every test may use; the machine is left as it was after each."""

import sys
from pathlib import Path

import pytest

from minidrop import _kernels

sys.path.append(str(Path(__file__).parent.parent))  # bench/ is nowhere installed


@pytest.fixture(autouse=True)
def restored():
    """Undo what a test did to the instruction set, the threads and the sizes of the caches."""
    before = _kernels.isa()
    yield
    _kernels.use_isa(before)
    _kernels.set_num_threads(None)
    _kernels.set_cache_bytes(0)
    _kernels.set_cache_bytes(0, level=1)


@pytest.fixture(params=_kernels.available_isas())
def isa(request, restored):
    """Run the test once on each instruction set that this machine has; the name of it."""
    _kernels.use_isa(request.param)
    return request.param
