"""Files: checkpoints that a run can go on from."""

from .atomic import write_atomically
from .checkpoint import Checkpoint, CheckpointError, load, read, save

__all__ = ["Checkpoint", "CheckpointError", "load", "read", "save", "write_atomically"]
