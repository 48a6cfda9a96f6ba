"""Dropout, one variant a file. A variant is a mask shape and a law. `variants()` lists them,
`table()` is the list as text, and this is it:
"""

from .alpha import AlphaDropout, FeatureAlphaDropout
from .channel import (
    Dropout1d,
    Dropout2d,
    Dropout3d,
    SpatialDropout1d,
    SpatialDropout2d,
    SpatialDropout3d,
)
from .concrete import ConcreteDropout
from .drop_block import DropBlock2d
from .drop_connect import DropConnect
from .drop_path import DropPath
from .gaussian import GaussianDropout, GaussianNoise
from .registry import Variant, table, variants
from .standard import Dropout
from .variational import VariationalDropout
from .weight_drop import WeightDrop
from .zoneout import Zoneout

__doc__ += "\n" + table()
