"""2-d convolution, channels last: the value, and the closure that returns its gradients."""

from .. import _kernels
from ..tensor import Gate, node, wants_graph
from .operands import as_tensor

check_algo = _kernels.check_conv_algo


def conv2d(x, w, b=None, stride=1, padding=0, dilation=1, groups=1, *, relu=False, pool=1,
           dropout=None, algo="auto"):
    """Cross-correlation of x (n, height, width, cin) with w (kh, kw, cin/groups, cout), plus b
    (cout,) -> (n, out_height, out_width, cout), where
    out = (size + 2 padding - dilation (kernel - 1) - 1) // stride + 1.

    stride, padding, dilation: an int, or two for height and width. groups: how many independent
    convolutions share the channels; groups = cin is depthwise. relu=True takes max(., 0), and
    pool=p then max-pools windows of p x p that do not overlap, in the same pass and with the same
    bits as the separate ops; p is at most 16. dropout=(p, seed, stream, call, offset), behind a
    relu, is `dropout` in training, whose mask need not be kept: what is above 0 was. ValueError
    where shapes do not fit.

    algo: "direct" sums products as they stand. "winograd" is Winograd's method (Lavin and Gray,
    "Fast Algorithms for Convolutional Neural Networks", 2016), forward and backward: 4 times fewer
    multiplications with kernels of 3 x 3, 2.8 times with 5 x 5, for rounding errors of up to about
    4e-6 of the largest value where "direct" has 1e-6. It takes stride, dilation and groups 1;
    ValueError otherwise. "auto" takes it where it is faster, which depends on the layer and the
    size of one image only, unless `set_conv_algo` says otherwise; and never for the gradients
    behind pool > 1, which then differ from those of the separate ops by as much rounding.
    """
    x, w, b = as_tensor(x), as_tensor(w), b if b is None else as_tensor(b)
    parents = (x, w) if b is None else (x, w, b)
    where = (stride, padding, dilation, groups)
    winners = None
    rate = None if dropout is None else dropout[0]
    value = _kernels.conv2d_forward(
        x.data, w.data, None if b is None else b.data, *where, relu=relu, pool=pool,
        want_where=pool > 1 and wants_graph(parents), drop=dropout, algo=algo,
    )
    if isinstance(value, tuple):
        value, winners = value
    kept = value if relu else None
    before, behind = x._gate, Gate() if relu and pool == 1 and rate is None else None

    def backward(dout):
        passed = behind is not None and behind.take(dout)
        gradients = _kernels.conv2d_backward(
            dout, x.data, w.data, *where, relu_output=None if passed else kept, pool=pool,
            where=winners, drop_p=rate, want_dx=x.requires_grad, want_dw=w.requires_grad,
            want_db=b is not None and b.requires_grad, mask_dx=before is not None, algo=algo,
        )
        if before is not None:
            before.passed = gradients[0]
        return gradients if b is not None else gradients[:2]

    op = "conv2d" + "_relu" * bool(relu) + "_pool" * (pool > 1) + "_dropout" * (rate is not None)
    return node(value, parents, backward, op, behind)
