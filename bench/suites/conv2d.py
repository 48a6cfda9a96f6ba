"""2-d convolution, float32: forward, gradient of the input, gradient of the weight, each alone.

FLOP counts the multiply-adds of taps inside the image; padding is no work."""

import numpy as np

from bench import reference
from bench.expected import expected
from bench.suites.case import Case, Task, assert_close, normal

CONTESTANTS = (
    "minidrop", "minidrop_direct", "torch", "torch_cl", "torch_cl_tuned", "jax", "jax_cl",
)  # fmt: skip

DIRECTIONS = ("forward", "input_gradient", "weight_gradient")
# name: (n, cin, size, cout, kernel, stride, padding, groups)
SHAPES = {
    "mnist1 128x28x28x1 3x3x32": (128, 1, 28, 32, 3, 1, 0, 1),
    "mnist2 128x26x26x32 3x3x64": (128, 32, 26, 64, 3, 1, 0, 1),
    "lenet1 128x28x28x1 5x5x32": (128, 1, 28, 32, 5, 1, 2, 1),
    "lenet2 128x14x14x32 5x5x64": (128, 32, 14, 64, 5, 1, 2, 1),
    "mnist1b1 1x28x28x1 3x3x32": (1, 1, 28, 32, 3, 1, 0, 1),
    "mnist2b1 1x26x26x32 3x3x64": (1, 32, 26, 64, 3, 1, 0, 1),
    "lenet2b1 1x14x14x32 5x5x64": (1, 32, 14, 64, 5, 1, 2, 1),
    "res56 16x56x56x64 3x3x64": (16, 64, 56, 64, 3, 1, 1, 1),
    "res14 16x14x14x256 3x3x256": (16, 256, 14, 256, 3, 1, 1, 1),
    "pointwise 16x56x56x64 1x1x128": (16, 64, 56, 128, 1, 1, 0, 1),
    "stem 8x224x224x3 7x7x64 stride 2": (8, 3, 224, 64, 7, 2, 3, 1),
    "depthwise 16x56x56x64 3x3": (16, 64, 56, 64, 3, 1, 1, 64),
}


def flop(n, cin, size, cout, kernel, stride, padding, groups):
    """Two for each tap that meets the image."""
    out = reference.conv_size(size, kernel, stride, padding)
    met = sum(0 <= at * stride - padding + tap < size for at in range(out) for tap in range(kernel))
    return 2 * n * cout * (cin // groups) * met * met


def traffic(n, cin, size, cout, kernel, stride, padding, groups):
    """Bytes of x, w and y: two of them read, one written, in each direction."""
    out = reference.conv_size(size, kernel, stride, padding)
    return 4 * (n * size**2 * cin + kernel**2 * cin // groups * cout + n * out**2 * cout)


def case(name, direction, shape):
    spec = (direction, *shape)
    return Case(f"{name} {direction}", "FLOP", flop(*shape), spec, traffic(*shape))


def cases():
    return [
        case(name, direction, shape) for name, shape in SHAPES.items() for direction in DIRECTIONS
    ]


def operands(case):
    """x, w and dy, channels last."""
    _, n, cin, size, cout, kernel, stride, padding, groups = case.spec
    out = reference.conv_size(size, kernel, stride, padding)
    x = normal(n, size, size, cin, seed=1)
    w = normal(kernel, kernel, cin // groups, cout, seed=2)
    return x, w, normal(n, out, out, cout, seed=3)


def plain(case):
    """The result in plain NumPy."""
    direction, _, _, size, _, kernel, *how = case.spec
    x, w, dy = operands(case)
    if direction == "forward":
        return reference.conv2d(x, w, *how)
    if direction == "input_gradient":
        return reference.conv2d_input_gradient(dy, w, size, *how)
    return reference.conv2d_weight_gradient(x, dy, kernel, *how)


def verify(case, outputs):
    (right,) = expected(f"conv2d {case.name}", lambda: [plain(case)])
    assert_close(outputs[0], right, what=case.name)


def make(contestant, case):
    x, w, dy = operands(case)
    if contestant.library == "minidrop":
        return make_minidrop(contestant, case, x, w, dy)
    if contestant.library == "torch":
        return make_torch(contestant, case, x, w, dy)
    return make_jax(contestant, case, x, w, dy)


def make_minidrop(contestant, case, x, w, dy):
    from minidrop import _kernels

    direction, *_, stride, padding, groups = case.spec
    algo = "direct" if contestant.name == "minidrop_direct" else "auto"
    how = {"stride": stride, "padding": padding, "groups": groups, "algo": algo}
    if direction == "forward":
        return Task(lambda: _kernels.conv2d_forward(x, w, None, **how))
    wanted = [direction == "input_gradient", direction == "weight_gradient", False]
    how |= zip(("want_dx", "want_dw", "want_db"), wanted, strict=True)
    return Task(lambda: _kernels.conv2d_backward(dy, x, w, **how)[wanted.index(True)])


def make_torch(contestant, case, x, w, dy):
    import torch

    direction, *_, stride, padding, groups = case.spec
    layout = torch.channels_last if contestant.channels_last else torch.contiguous_format
    x, dy = (torch.from_numpy(a).permute(0, 3, 1, 2).contiguous(memory_format=layout)
             for a in (x, dy))  # fmt: skip
    w = torch.from_numpy(w).permute(3, 2, 0, 1).contiguous(memory_format=layout)
    if direction == "forward":

        def run():
            return torch.conv2d(x, w, None, stride, padding, 1, groups)
    else:
        wanted = [direction == "input_gradient", direction == "weight_gradient", False]

        def run():
            return torch.ops.aten.convolution_backward(
                dy, x, w, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups, wanted
            )[wanted.index(True)]

    back = (2, 3, 1, 0) if direction == "weight_gradient" else (0, 2, 3, 1)
    return Task(run, lambda: [run().permute(back).numpy()])


def make_jax(contestant, case, x, w, dy):
    import jax

    direction, *_, stride, padding, groups = case.spec
    layout = ("NHWC", "HWIO", "NHWC")
    if not contestant.channels_last:
        layout = ("NCHW", "OIHW", "NCHW")
        x, dy = (np.ascontiguousarray(a.transpose(0, 3, 1, 2)) for a in (x, dy))
        w = np.ascontiguousarray(w.transpose(3, 2, 0, 1))
    x, w, dy = map(jax.device_put, (x, w, dy))

    def conv(x, w):
        return jax.lax.conv_general_dilated(
            x, w, (stride, stride), [(padding, padding)] * 2,
            dimension_numbers=layout, feature_group_count=groups,
        )  # fmt: skip

    if direction == "forward":
        compiled = jax.jit(lambda x, w, dy: conv(x, w))
    elif direction == "input_gradient":
        compiled = jax.jit(lambda x, w, dy: jax.vjp(lambda x: conv(x, w), x)[1](dy)[0])
    else:
        compiled = jax.jit(lambda x, w, dy: jax.vjp(lambda w: conv(x, w), w)[1](dy)[0])
    back = (0, 1, 2, 3)
    if not contestant.channels_last:
        back = (2, 3, 1, 0) if direction == "weight_gradient" else (0, 2, 3, 1)
    return Task(
        lambda: compiled(x, w, dy).block_until_ready(),
        lambda: [np.asarray(compiled(x, w, dy)).transpose(back)],
    )
