"""What the networks are. A layer is a tuple: its kind, then its numbers."""

import numpy as np

from bench.suites.case import normal

INPUT = (28, 28, 1)

NETWORKS = {
    # the network of PyTorch's MNIST example, and of ours
    "cnn": (
        ("conv", 1, 32), ("relu",), ("conv", 32, 64), ("relu",), ("pool",), ("dropout", 0.25),
        ("flatten",), ("linear", 9216, 128), ("relu",), ("dropout", 0.5), ("linear", 128, 10),
    ),
    # the "simple convnet" of the Keras examples
    "keras": (
        ("conv", 1, 32), ("relu",), ("pool",), ("conv", 32, 64), ("relu",), ("pool",),
        ("flatten",), ("dropout", 0.5), ("linear", 1600, 10),
    ),
    "mlp": (
        ("flatten",), ("dropout", 0.2), ("linear", 784, 512), ("relu",), ("dropout", 0.5),
        ("linear", 512, 512), ("relu",), ("dropout", 0.5), ("linear", 512, 10),
    ),
}  # fmt: skip
KERNEL = 3
DEEP = "deep-"  # and a number: so many linear layers, for the cost of depth
WIDTH = 128


def is_deep(network):
    return network.startswith(DEEP)


def layers_of(network):
    """The layers of one of NETWORKS, or of `deep-N`."""
    if not is_deep(network):
        return NETWORKS[network]
    inner = int(network.removeprefix(DEEP)) - 2
    middle = (("linear", WIDTH, WIDTH), ("relu",)) * inner
    return ("flatten",), ("linear", 784, WIDTH), ("relu",), *middle, ("linear", WIDTH, 10)


def suits(contestant, network):
    """Whether the network is a row for the contestant. Without images there is no layout to
    choose; with them, PyTorch's tuned allocator runs channels last only, where it is faster."""
    images = any(kind == "conv" for kind, *_ in layers_of(network))
    if contestant.library == "minidrop":
        return True
    if images:
        return contestant.channels_last or not contestant.environment.get("GLIBC_TUNABLES")
    return not contestant.channels_last


def walk(network):
    """[(layer, shape of its input without the batch)], channels last."""
    shape, steps = INPUT, []
    for layer in layers_of(network):
        steps.append((layer, shape))
        kind = layer[0]
        if kind == "conv":
            shape = (shape[0] - KERNEL + 1, shape[1] - KERNEL + 1, layer[2])
        elif kind == "pool":
            shape = (shape[0] // 2, shape[1] // 2, shape[2])
        elif kind == "flatten":
            shape = (int(np.prod(shape)),)
        elif kind == "linear":
            shape = (layer[2],)
    return steps


def weights(network):
    """[(w, b)] of the layers that have them: w (3, 3, cin, cout) or (in, out), b (out)."""
    parameters = []
    for seed, (kind, *numbers) in enumerate(layers_of(network)):
        if kind in ("conv", "linear"):
            fan_in, fan_out = numbers
            shape = (KERNEL, KERNEL, fan_in, fan_out) if kind == "conv" else (fan_in, fan_out)
            w = normal(*shape, seed=seed)
            w *= np.float32(np.sqrt(2 / np.prod(shape[:-1])))
            parameters.append((w, 0.1 * normal(fan_out, seed=100 + seed)))
    return parameters


def data(batch):
    """Images (batch, 28, 28, 1) and labels (batch)."""
    labels = np.random.default_rng(8).integers(0, 10, batch)
    return normal(batch, *INPUT, seed=7), labels


def flop_of_layers(network):
    """FLOP of each layer with weights, forward, for one image."""
    return [
        2 * (KERNEL**2 * (shape[0] - 2) * (shape[1] - 2) if layer[0] == "conv" else 1)
        * layer[1] * layer[2]
        for layer, shape in walk(network)
        if layer[0] in ("conv", "linear")
    ]  # fmt: skip


def forward_flop(network):
    """FLOP of the layers with weights, forward, for one image."""
    return sum(flop_of_layers(network))


def training_flop(network):
    """FLOP of forward and both gradients for one image; the images need no gradient."""
    layers = flop_of_layers(network)
    return 3 * sum(layers) - layers[0]
