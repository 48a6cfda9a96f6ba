"""Which kernels run: the names, the forced table, the environment."""

import numpy as np
import pytest
from helpers import run_python

from minidrop import _kernels

KNOWN = {"avx512", "avx2", "neon", "scalar", "reference"}


def test_the_reference_is_always_there_and_last():
    names = _kernels.available_isas()
    assert names[-1] == "reference" and len(names) >= 2 and set(names) <= KNOWN


def test_a_forced_table_is_the_running_one():
    x = np.float32([[0.1, 0.2, 0.3]])
    for name in _kernels.available_isas():
        _kernels.use_isa(name)
        assert _kernels.isa() == name
        assert _kernels.matmul(x, x, trans="NT").shape == (1, 1)


def test_the_tables_differ_in_their_vectors():
    flop = {}
    for name in _kernels.available_isas():
        _kernels.use_isa(name)
        flop[name] = _kernels.fma_peak(1) / _kernels.get_num_threads()
    assert flop["reference"] * _kernels.get_num_threads() == 2  # one chain, without vectors
    assert len(set(flop.values())) == len(flop)


def test_an_unknown_name_raises_and_changes_nothing():
    before = _kernels.isa()
    for name in ("sse9", "", "AVX2", "avx2 "):
        with pytest.raises(ValueError, match="unknown instruction set .*; known: avx512, avx2"):
            _kernels.use_isa(name)
    with pytest.raises(TypeError, match="name must be a str, got None"):
        _kernels.use_isa(None)
    assert _kernels.isa() == before


def test_an_unsupported_name_raises_and_says_what_there_is():
    before = _kernels.isa()
    lacking = KNOWN - set(_kernels.available_isas())
    assert lacking  # no machine has both x86 and ARM
    for name in lacking:
        with pytest.raises(ValueError, match=f"this machine lacks {name}; it has: .*reference"):
            _kernels.use_isa(name)
    assert _kernels.isa() == before


def test_environment_forces_a_table():
    code = "from minidrop import _kernels; print(_kernels.isa())"
    for name in _kernels.available_isas():
        assert run_python(code, MINIDROP_ISA=name).stdout.strip() == name
    assert run_python(code, MINIDROP_ISA="").stdout.strip() == _kernels.available_isas()[0]


def test_environment_with_a_wrong_name_stops_the_import():
    done = run_python("from minidrop import _kernels", MINIDROP_ISA="sse9")
    assert done.returncode != 0 and "unknown instruction set 'sse9'" in done.stderr


def test_verbose_prints_a_line_for_a_call():
    code = (
        "import numpy as np; from minidrop import _kernels; x = np.ones((2, 3), np.float32); "
        "_kernels.matmul(x, x, trans='NT'); _kernels.add(x, x); _kernels.sum_over(x)"
    )
    lines = run_python(code, MINIDROP_VERBOSE="1").stderr.splitlines()
    assert len(lines) == 3 and all(line.startswith("minidrop ") for line in lines)
    assert "matmul NT" in lines[0] and "(2, 3, 2)" in lines[0] and "GFLOP/s" in lines[0]
    assert run_python(code, MINIDROP_VERBOSE="0").stderr == ""
