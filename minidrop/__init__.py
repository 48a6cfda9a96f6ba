"""minidrop: a small deep-learning framework for CPUs, from the C kernel up.

    import minidrop as md
    from minidrop import nn, optim, data, train
    import minidrop.functional as F
"""

from . import data, functional, io, nn, optim, random, train
from ._kernels import (
    available_isas,
    conv_algo,
    get_num_threads,
    isa,
    pool_stats,
    pool_trim,
    set_conv_algo,
    set_num_threads,
    use_isa,
)
from .functional import cat, stack, where
from .gradcheck import gradcheck
from .io import CheckpointError, load, save
from .masks import Draw, Tape, hold_masks, record_masks, replay_masks
from .random import get_rng_state, manual_seed, sample_offset, set_rng_state
from .tensor import Tensor, graph, no_grad, tensor
from .versions import __version__, show_versions

__all__ = [
    "CheckpointError",
    "Draw",
    "Tape",
    "Tensor",
    "__version__",
    "available_isas",
    "cat",
    "conv_algo",
    "data",
    "functional",
    "get_num_threads",
    "get_rng_state",
    "gradcheck",
    "graph",
    "hold_masks",
    "io",
    "isa",
    "load",
    "manual_seed",
    "nn",
    "no_grad",
    "optim",
    "pool_stats",
    "pool_trim",
    "random",
    "record_masks",
    "replay_masks",
    "sample_offset",
    "save",
    "set_conv_algo",
    "set_num_threads",
    "set_rng_state",
    "show_versions",
    "stack",
    "tensor",
    "train",
    "use_isa",
    "where",
]
