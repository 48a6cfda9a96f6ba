"""Training: the loop, what it measures, what happens beside it."""

from .callbacks import Callback, CSVLogger, EarlyStopping, LRSchedule, ModelCheckpoint
from .evaluate import evaluate, predict
from .fit import fit
from .history import History
from .metrics import accuracy
from .monte_carlo import MCResult, predict_mc
from .rate_schedule import RateSchedule
from .subnetworks import Subnetworks, subnetworks

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LRSchedule",
    "MCResult",
    "ModelCheckpoint",
    "RateSchedule",
    "Subnetworks",
    "accuracy",
    "evaluate",
    "fit",
    "predict",
    "predict_mc",
    "subnetworks",
]
