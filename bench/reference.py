"""What each operation means, in plain NumPy: the oracle of every row. Channels last throughout.

Slow beside the contestants and meant to be read; a convolution is a sum over its kernel's taps of
one matrix product each.
"""

import math

import numpy as np


def conv_size(size, kernel, stride, padding):
    """Output positions along one axis."""
    return (size + 2 * padding - kernel) // stride + 1


def _taps(x, kernel, stride, padding):
    """(i, j, window) for each tap of a square kernel: window (n, oh, ow, c) is the part of the
    padded x that the tap meets, a view."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    out = conv_size(x.shape[1], kernel, stride, 0)
    reach = stride * (out - 1) + 1
    for i in range(kernel):
        for j in range(kernel):
            yield i, j, x[:, i : i + reach : stride, j : j + reach : stride]


def conv2d(x, w, stride=1, padding=0, groups=1):
    """y (n, oh, ow, cout) of x (n, h, h, cin) and w (kernel, kernel, cin/groups, cout)."""
    kernel, _, cin, cout = w.shape
    total = 0
    for i, j, window in _taps(x, kernel, stride, padding):
        n, oh, ow, _ = window.shape
        rows = window.reshape(n * oh * ow, groups, cin).transpose(1, 0, 2)
        columns = w[i, j].reshape(cin, groups, cout // groups).transpose(1, 0, 2)
        total = total + (rows @ columns).transpose(1, 0, 2).reshape(n, oh, ow, cout)
    return total


def conv2d_input_gradient(dy, w, size, stride=1, padding=0, groups=1):
    """The gradient of x (n, size, size, cin)."""
    kernel, _, cin, cout = w.shape
    n, oh, ow, _ = dy.shape
    dx = np.zeros((n, size + 2 * padding, size + 2 * padding, cin * groups), dy.dtype)
    reach = stride * (oh - 1) + 1
    rows = dy.reshape(n * oh * ow, groups, cout // groups).transpose(1, 0, 2)
    for i in range(kernel):
        for j in range(kernel):
            columns = w[i, j].reshape(cin, groups, cout // groups).transpose(1, 2, 0)
            part = (rows @ columns).transpose(1, 0, 2).reshape(n, oh, ow, cin * groups)
            dx[:, i : i + reach : stride, j : j + reach : stride] += part
    return dx[:, padding : padding + size, padding : padding + size]


def conv2d_weight_gradient(x, dy, kernel, stride=1, padding=0, groups=1):
    """The gradient of w (kernel, kernel, cin/groups, cout)."""
    n, oh, ow, cout = dy.shape
    cin = x.shape[3] // groups
    dw = np.empty((kernel, kernel, cin, cout), dy.dtype)
    columns = dy.reshape(n * oh * ow, groups, cout // groups).transpose(1, 0, 2)
    for i, j, window in _taps(x, kernel, stride, padding):
        rows = window.reshape(n * oh * ow, groups, cin).transpose(1, 2, 0)
        dw[i, j] = (rows @ columns).transpose(1, 0, 2).reshape(cin, cout)
    return dw


def max_pool2d(x, k=2):
    """(y, argmax) of the largest of each k x k window, side by side; x (n, h, w, c), and argmax
    0 ... k*k-1 counts row by row inside the window."""
    n, h, w, c = x.shape
    windows = x[:, : h // k * k, : w // k * k].reshape(n, h // k, k, w // k, k, c)
    windows = windows.transpose(0, 1, 3, 5, 2, 4).reshape(n, h // k, w // k, c, k * k)
    return windows.max(-1), windows.argmax(-1)


def max_pool2d_gradient(dy, argmax, size, k=2):
    """The gradient of x (n, size, size, c): dy at each window's largest element."""
    n, oh, ow, c = dy.shape
    dx = np.zeros((n, size, size, c), dy.dtype)
    for tap in range(k * k):
        part = dx[:, tap // k : oh * k : k, tap % k : ow * k : k]
        part[:, :oh, :ow] = np.where(argmax == tap, dy, 0)
    return dx


def log_softmax(x):
    """Logarithms of the softmax over the last axis."""
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def cross_entropy(logits, labels):
    """(loss, its gradient): the mean negative log-likelihood of labels (n,) under logits (n, c)."""
    logp = log_softmax(logits)
    rows = np.arange(len(labels))
    gradient = np.exp(logp)
    gradient[rows, labels] -= 1
    return -logp[rows, labels].mean(), gradient / len(labels)


def gelu(x):
    """x times the standard normal distribution function at x."""
    return x * [0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x.tolist()]


def normalize(x, axis, eps=1e-5):
    """(x_hat, 1/std) over `axis`, with the biased variance."""
    inverse = 1 / np.sqrt(x.var(axis, keepdims=True) + eps)
    return (x - x.mean(axis, keepdims=True)) * inverse, inverse


def normalize_gradient(dx_hat, x_hat, inverse, axis):
    """The gradient of x from that of x_hat."""
    mean = dx_hat.mean(axis, keepdims=True)
    along = (dx_hat * x_hat).mean(axis, keepdims=True)
    return inverse * (dx_hat - mean - x_hat * along)


class Optimizer:
    """The update rules as they are published, with PyTorch's defaults, on a list of arrays."""

    def __init__(self, name, params, lr):
        self.rule = getattr(self, name)
        self.params, self.lr, self.steps = params, lr, 0
        self.first = [np.zeros_like(p) for p in params]
        self.second = [np.zeros_like(p) for p in params]

    def step(self, gradients):
        self.steps += 1
        states = zip(self.params, gradients, self.first, self.second, strict=True)
        for p, g, first, second in states:
            p -= self.rule(g, first, second)

    def sgd(self, g, velocity, _):
        """Momentum 0.9."""
        velocity[...] = 0.9 * velocity + g
        return self.lr * velocity

    def adam(self, g, mean, square):
        mean[...] = 0.9 * mean + 0.1 * g
        square[...] = 0.999 * square + 0.001 * g * g
        corrected = mean / (1 - 0.9**self.steps)
        scale = np.sqrt(square / (1 - 0.999**self.steps)) + 1e-8
        return self.lr * corrected / scale

    def rmsprop(self, g, square, _):
        square[...] = 0.99 * square + 0.01 * g * g
        return self.lr * g / (np.sqrt(square) + 1e-8)

    def adadelta(self, g, square, moved):
        square[...] = 0.9 * square + 0.1 * g * g
        update = np.sqrt(moved + 1e-6) / np.sqrt(square + 1e-6) * g
        moved[...] = 0.9 * moved + 0.1 * update * update
        return self.lr * update
