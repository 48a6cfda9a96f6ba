# The door as type checkers see it, in the order of _kernels.pyx.
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

Array = np.ndarray[Any, np.dtype[Any]]
Pair = int | Sequence[int]

# arrays
def empty(shape: Sequence[int], dtype: DTypeLike = ...) -> Array: ...
def pool_stats() -> dict[str, int]: ...
def pool_trim() -> None: ...
def cache_bytes(level: int = 3) -> int: ...
def set_cache_bytes(n: int, level: int = 3) -> None: ...

# machine
def set_num_threads(n: int | None) -> None: ...
def get_num_threads() -> int: ...
def has_openmp() -> bool: ...
def isa() -> str: ...
def available_isas() -> list[str]: ...
def use_isa(name: str) -> None: ...
def fma_peak(iterations: int) -> float: ...
def tile_peak(iterations: int) -> float: ...
def exchange(rounds: int) -> float: ...

# matmul.h
def matmul(
    a: Array, b: Array, bias: Array | None = None, *, trans: str = "NN", relu: bool = False
) -> Array: ...

# matmul_stack.h
def matmul_stack(a: Array, b: Array, *, trans: str = "NN") -> Array: ...

# conv2d.h
def conv2d_forward(
    x: Array,
    w: Array,
    bias: Array | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    *,
    relu: bool = False,
    pool: int = 1,
    want_where: bool = False,
    drop: tuple[float, int, int, int, int] | None = None,
    w_mask: tuple[Array, float] | None = None,
    algo: str = "direct",
) -> Array | tuple[Array, Array]: ...
def conv2d_backward(
    dy: Array,
    x: Array,
    w: Array,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    *,
    relu_output: Array | None = None,
    pool: int = 1,
    where: Array | None = None,
    drop_p: float | None = None,
    want_dx: bool = True,
    want_dw: bool = True,
    want_db: bool = True,
    w_mask: tuple[Array, float] | None = None,
    algo: str = "direct",
) -> tuple[Array | None, Array | None, Array | None]: ...

# winograd.h
def set_conv_algo(algo: str) -> None: ...
def conv_algo() -> str: ...
def check_conv_algo(
    algo: str,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
) -> None: ...

# arithmetic.h
def add(a: Array | float, b: Array | float) -> Array: ...
def sub(a: Array | float, b: Array | float) -> Array: ...
def mul(a: Array | float, b: Array | float) -> Array: ...
def div(a: Array | float, b: Array | float) -> Array: ...
def maximum(a: Array | float, b: Array | float) -> Array: ...
def minimum(a: Array | float, b: Array | float) -> Array: ...
def power(a: Array | float, b: Array | float) -> Array: ...
def where(condition: Array | np.bool_, a: Array | float, b: Array | float) -> Array: ...
def copy(x: Array) -> Array: ...
def neg(x: Array) -> Array: ...
def absolute(x: Array) -> Array: ...
def sqrt(x: Array) -> Array: ...
def exp(x: Array) -> Array: ...
def log(x: Array) -> Array: ...
def clip(x: Array, low: float, high: float) -> Array: ...

# reduce.h
def checked_dim(dim: int, ndim: int) -> int: ...
def sum_over(
    x: Array,
    dims: Collection[int] | None = None,
    *,
    keepdim: bool = False,
    mean: bool = False,
    squares: bool = False,
) -> Array: ...

# extreme.h
def extreme(
    x: Array, dim: int | None = None, *, least: bool = False, keepdim: bool = False
) -> tuple[Array, Array]: ...

# activation.h
def relu(x: Array) -> Array: ...
def relu_backward(dout: Array, y: Array, drop_p: float | None = None) -> Array: ...
def leaky_relu(x: Array, negative_slope: float = 0.01) -> Array: ...
def leaky_relu_backward(dout: Array, x: Array, negative_slope: float = 0.01) -> Array: ...
def elu(x: Array, alpha: float = 1.0, scale: float = 1.0) -> Array: ...
def elu_backward(dout: Array, x: Array, alpha: float = 1.0, scale: float = 1.0) -> Array: ...
def gelu(x: Array, approximate: str = "none") -> Array: ...
def gelu_backward(dout: Array, x: Array, approximate: str = "none") -> Array: ...
def silu(x: Array) -> Array: ...
def silu_backward(dout: Array, x: Array) -> Array: ...
def sigmoid(x: Array) -> Array: ...
def sigmoid_backward(dout: Array, y: Array) -> Array: ...
def tanh(x: Array) -> Array: ...
def tanh_backward(dout: Array, y: Array) -> Array: ...
def softplus(x: Array, beta: float = 1.0) -> Array: ...
def softplus_backward(dout: Array, x: Array, beta: float = 1.0) -> Array: ...

# softmax.h
def softmax(x: Array, *, log: bool = False) -> Array: ...
def softmax_backward(dout: Array, y: Array, *, log: bool = False) -> Array: ...

# loss.h
def class_labels(labels: Array, shape: Sequence[int], classes: int) -> Array: ...
def cross_entropy(
    logits: Array,
    labels: Array,
    label_smoothing: float = 0.0,
    *,
    scale: float = 1.0,
    gradient: bool = True,
) -> tuple[Array, Array | None]: ...
def binary_cross_entropy(logits: Array, target: Array) -> Array: ...
def binary_cross_entropy_slope(logits: Array, target: Array) -> Array: ...

# batch_norm.h
def running_statistics(
    mean: Array | None, var: Array | None, x: Array, momentum: float, *, training: bool
) -> tuple[Array, Array] | None: ...
def batch_statistics(x: Array) -> tuple[Array, Array]: ...
def move_statistics(
    running_mean: Array, running_var: Array, mean: Array, var: Array, count: int, momentum: float
) -> None: ...
def batch_norm(
    x: Array,
    running_mean: Array,
    running_var: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array: ...
def batch_norm_backward(
    dout: Array,
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None = None,
    eps: float = 1e-5,
    *,
    training: bool = True,
    want_dx: bool = True,
) -> tuple[Array | None, Array, Array]: ...

# layer_norm.h
def layer_norm(
    x: Array,
    normalized_shape: tuple[int, ...],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]: ...
def layer_norm_backward(
    dout: Array,
    x: Array,
    normalized_shape: tuple[int, ...],
    mean: Array,
    inverse: Array,
    weight: Array | None = None,
    *,
    want_parameters: bool = True,
) -> tuple[Array, Array | None, Array | None]: ...

# pool.h
def max_pool2d_forward(
    x: Array, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0
) -> tuple[Array, Array]: ...
def max_pool2d_backward(
    dy: Array,
    arg: Array,
    x_shape: Sequence[int],
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
) -> Array: ...
def avg_pool2d_forward(
    x: Array, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0
) -> Array: ...
def avg_pool2d_backward(
    dy: Array,
    x_shape: Sequence[int],
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
) -> Array: ...
def adaptive_avg_pool2d_forward(
    x: Array, output_size: int | Sequence[int | None] | None
) -> Array: ...
def adaptive_avg_pool2d_backward(
    dy: Array, x_shape: Sequence[int], output_size: int | Sequence[int | None] | None
) -> Array: ...

# mask.h
def check_p(p: float, name: str = "p") -> float: ...
def check_mask(mask: str) -> str: ...
def check_mode(mode: str) -> str: ...
def check_word(value: int, name: str) -> int: ...
def check_address(seed: int, stream: int, call: int) -> tuple[int, int, int]: ...
def keep_of(p: float) -> float: ...
def mask_bits(
    n: int, p: float, seed: int, stream: int = 0, call: int = 0, first: int = 0
) -> Array: ...
def random_words(
    n: int, seed: int, stream: int = 0, call: int = 0, first: int = 0, *, domain: int = 0
) -> Array: ...

# dropout.h
def dropout_forward(
    x: Array,
    p: float,
    seed: int,
    stream: int = 0,
    call: int = 0,
    offset: int = 0,
    *,
    keep_bits: bool = True,
    law: tuple[float, float, float] | None = None,
) -> tuple[Array, Array | None]: ...
def dropout_samples(
    x: Array,
    p: float,
    samples: int,
    seed: int,
    stream: int = 0,
    call: int = 0,
    offset: int = 0,
    *,
    expand: bool = True,
    law: tuple[float, float, float] | None = None,
) -> Array: ...
def drop_in_place(
    y: Array, p: float, seed: int, stream: int, call: int, offset: int
) -> None: ...
def dropout_backward(
    dout: Array, bits: Array, p: float, *, scale: float | None = None
) -> Array: ...

# shared_mask.h, gaussian.h
def shared_mask(
    x: Array, bits: Array, shared: tuple[int, ...], law: tuple[float, float, float]
) -> Array: ...
def gaussian(
    x: Array,
    std: float,
    multiply: bool,
    seed: int,
    stream: int = 0,
    call: int = 0,
    offset: int = 0,
) -> Array: ...

# drop_connect.h, and matmul_masked of matmul.h
def matmul_masked(
    a: Array, b: Array, bits: Array, p: float, bias: Array | None = None, *, trans: str = "NN"
) -> Array: ...
def drop_connect_forward(
    x: Array,
    w: Array,
    bias: Array | None,
    p: float,
    seed: int,
    stream: int = 0,
    call: int = 0,
    offset: int = 0,
    *,
    keep_bits: bool = True,
    want_y: bool = True,
) -> tuple[Array | None, Array | None]: ...
def drop_connect_backward(
    dout: Array,
    x: Array,
    w: Array,
    bits: Array,
    p: float,
    *,
    want_dx: bool = True,
    want_dw: bool = True,
) -> tuple[Array | None, Array | None]: ...

# zoneout.h
def zoneout_forward(
    new_state: Array,
    old_state: Array,
    p: float,
    seed: int,
    stream: int = 0,
    call: int = 0,
    offset: int = 0,
    *,
    keep_bits: bool = True,
) -> tuple[Array, Array | None]: ...
def zoneout_backward(
    dout: Array, bits: Array, *, want_new: bool = True, want_old: bool = True
) -> tuple[Array | None, Array | None]: ...

# drop_block.h
def check_size(value: int, name: str) -> int: ...
def drop_block_forward(
    x: Array,
    seed_p: float,
    block_size: int,
    seed: int,
    stream: int = 0,
    call: int = 0,
    offset: int = 0,
    *,
    shared: bool = False,
    want_y: bool = True,
) -> tuple[Array | None, Array, Array]: ...
def drop_block_backward(
    dout: Array, bits: Array, scales: Array, *, shared: bool = False
) -> Array: ...

# concrete.h
def concrete_forward(
    x: Array,
    logit: float,
    temperature: float,
    seed: int,
    stream: int = 0,
    call: int = 0,
    offset: int = 0,
    *,
    want_y: bool = True,
) -> tuple[Array | None, Array]: ...
def concrete_backward(
    dout: Array, x: Array, kept: Array, logit: float, temperature: float
) -> tuple[Array, Array]: ...

# update.h
class UpdateRule:
    def __init__(
        self,
        law: str,
        *,
        lr: float,
        momentum: float = 0,
        beta1: float = 0,
        beta2: float = 0,
        eps: float = 0,
        lr_decay: float = 0,
        decay: float = 0,
        l1: float = 0,
        decoupled_decay: float = 0,
        max_norm: float = ...,
        nesterov: bool = False,
    ) -> None: ...

def check_writable(x: Array, name: str = "x") -> Array: ...
def update(
    params: list[Array],
    grads: list[Array | None],
    states: list[tuple[Array | None, ...]],
    rules: list[UpdateRule],
    steps: list[int],
) -> None: ...
def scale_list(arrays: list[Array], factor: float) -> None: ...
