"""The table of the variants: what tells them apart is a mask shape and a law."""

from typing import NamedTuple

from .alpha import AlphaDropout, FeatureAlphaDropout
from .channel import Dropout1d, Dropout2d, Dropout3d
from .concrete import ConcreteDropout
from .drop_block import DropBlock2d
from .drop_connect import DropConnect
from .drop_path import DropPath
from .gaussian import GaussianDropout, GaussianNoise
from .standard import Dropout
from .variational import VariationalDropout
from .weight_drop import WeightDrop
from .zoneout import Zoneout


class Variant(NamedTuple):
    """layer: the class. law: what becomes of x in training, kept or dropped, with q = 1 - p. mask:
    what one decision is for. paper: where it is from. cost: beside standard dropout on the same
    elements."""

    layer: type
    law: str
    mask: str
    paper: str
    cost: str

    @property
    def name(self):
        return self.layer.__name__


_VARIANTS = [
    Variant(Dropout, "x / q, or 0", "element, or axes shared", "Srivastava et al. 2014", "1"),
    Variant(Dropout1d, "x / q, or 0", "sample, channel", "Tompson et al. 2015", "1"),
    Variant(Dropout2d, "x / q, or 0", "sample, channel", "Tompson et al. 2015", "1"),
    Variant(Dropout3d, "x / q, or 0", "sample, channel", "Tompson et al. 2015", "1"),
    Variant(VariationalDropout, "x / q, or 0", "sample, feature", "Gal and Ghahramani 2016", "1"),
    Variant(DropPath, "x / q, or 0", "sample", "Huang et al. 2016", "1"),
    Variant(AlphaDropout, "a x + b, or a l + b", "element", "Klambauer et al. 2017", "1"),
    Variant(FeatureAlphaDropout, "a x + b, or a l + b", "sample, channel",
            "Klambauer et al. 2017", "1"),
    Variant(GaussianDropout, "x (1 + sqrt(p / q) z)", "element, normal z",
            "Srivastava et al. 2014", "24 random bits and half a logarithm an element"),
    Variant(GaussianNoise, "x + std z", "element, normal z", "Bishop 1995",
            "24 random bits and half a logarithm an element"),
    Variant(DropBlock2d, "x (all / kept), or 0", "blocks of pixels", "Ghiasi et al. 2018", "1"),
    Variant(ConcreteDropout, "x (1 - z) / q, z in (0, 1)", "element, relaxed", "Gal et al. 2017",
            "32 random bits, logarithms and a sigmoid an element"),
    Variant(Zoneout, "new state, or old state", "element", "Krueger et al. 2017",
            "1, and reads two states"),
    Variant(DropConnect, "w / q, or 0", "weight, or weight of a sample", "Wan et al. 2013",
            "a bit a weight; per_sample: a bit a weight and sample"),
    Variant(WeightDrop, "w / q, or 0", "weight of a module", "Merity et al. 2017",
            "1, of the weights"),
]  # fmt: skip


def variants():
    """The table of the dropout layers, a list of Variant; `table` is it as text."""
    return list(_VARIANTS)


def table():
    """The table as text, a line for each variant."""
    rows = [("layer", "law", "mask", "paper", "cost")]
    rows += [(v.name, v.law, v.mask, v.paper, v.cost) for v in _VARIANTS]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)
