"""WeightDrop: any named weights of any module, dropped for the length of a forward."""

from ... import functional as F
from ...tensor import as_tensors
from ..module import checked_layer
from ..parameter import Parameter
from .base import DropoutLayer
from .director import director


class WeightDrop(DropoutLayer):
    """A module, some of whose weights are dropped in training: each element is 0 with probability
    p, and else divided by 1 - p, by one mask for the whole forward, so for all time steps of a
    recurrent module. Merity, Keskar and Socher 2017, "Regularizing and optimizing LSTM language
    models" (the AWD-LSTM drops its hidden-to-hidden weights in this way).

    module: it is called with the inputs of this one, whose outputs are its outputs. weights: the
    path of a Parameter in it, such as "weight_hh" or "cell.weight", or several; their masks lie one
    after the other at the layer's address. p, seed: see DropoutLayer. mask: see Dropout.

    In a training forward the attributes are tensors computed from the Parameters, of the same
    shapes, which then get the gradients; afterwards, and if the forward fails, they are the
    Parameters again. So a module in which two threads run at once must not be wrapped. A masked
    copy of these weights lives as long as the graph: DropConnect does without one for a Linear.

    ValueError for a path that leads to no Parameter, or is given twice. Inputs are positional.
    """

    def __init__(self, module, weights, p=0.5, *, mask="bits", seed=None):
        checked_layer("WeightDrop: module", module)
        weights = (weights,) if isinstance(weights, str) else tuple(weights)
        if not weights or len(set(weights)) < len(weights):
            raise ValueError("WeightDrop: weights must be paths of parameters, each once, "
                             f"got {weights!r}")
        for path in weights:
            _find(module, path)
        self.mask = F.check_mask(mask)
        super().__init__(p, seed)
        self.module, self.weights = module, weights

    def mask_shape(self, x):
        places = [_find(self.module, path) for path in self.weights]
        return 1, sum(vars(owner)[name].size for owner, name in places)

    def forward(self, *inputs):
        """As the base's, but the inputs after the first may be anything: states, tuples, None."""
        if not self.training:
            return self.module(*inputs)
        inputs = (*as_tensors(*inputs[:1]), *inputs[1:])
        decide = director()
        return self.draw(inputs) if decide is None else decide(self, inputs)

    def drop(self, *inputs):
        places = [_find(self.module, path) for path in self.weights]
        parameters = [vars(owner)[name] for owner, name in places]
        try:
            first = 0
            for (owner, name), weight in zip(places, parameters, strict=True):
                vars(owner)[name] = F.dropout(weight, self.p, training=self.training,
                                              mask=self.mask, offset=first, **self.address())
                first += weight.size
            return self.module(*inputs)
        finally:
            for (owner, name), weight in zip(places, parameters, strict=True):
                vars(owner)[name] = weight

    def extra_repr(self):
        return f"{', '.join(self.weights)}, p={self.p:g}"


def _find(module, path):
    """(owner, name) of the Parameter at a path below a module."""
    owner_path, _, name = path.rpartition(".")
    owner = dict(module.named_modules()).get(owner_path)
    if owner is None or not isinstance(vars(owner).get(name), Parameter):
        known = ", ".join(path for path, _ in module.named_parameters()) or "it has none"
        raise ValueError(f"WeightDrop: {path!r} is no parameter of {type(module).__name__}; "
                         f"its parameters: {known}")
    return owner, name
