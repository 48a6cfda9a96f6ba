"""What summary() says about dropout."""

import numpy as np
import pytest

from minidrop import nn


def lines(model, shape, **options):
    """The lines under the table that dropout adds."""
    text = model.summary(shape, **options).splitlines()
    return text[next(i for i, line in enumerate(text) if line.startswith("Size of")) + 1 :]


def warnings(model, shape=4):
    return [line.removeprefix("Warning: ") for line in lines(model, shape) if "Warning" in line]


def classic():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(),
        nn.Linear(36, 10), nn.ReLU(), nn.Dropout(0.5), nn.Linear(10, 3),
    )  # fmt: skip


def test_nothing_without_dropout():
    assert lines(nn.Sequential(nn.Linear(4, 3)), 4) == []


def test_active_parameters_and_mask_bytes():
    convolution = 9 * 4 + 4  # element dropout never takes a whole channel away
    hidden = 360 * 0.75 * 0.5 + 10 * 0.5
    last = 30 * 0.5 + 3
    bits = 64 * 36, 64 * 10
    assert lines(classic(), (8, 8, 1)) == [
        f"Expected active parameters in training: {convolution + hidden + last:.0f}",
        f"Mask bytes for a batch of 64: {sum(bits) // 8}",
    ]


def test_batch_size():
    assert lines(classic(), (8, 8, 1), batch_size=1)[1].endswith(f": {8 + 4}")  # whole words
    for bad in (0, 1.5):
        with pytest.raises((TypeError, ValueError), match="batch_size must be"):
            classic().summary((8, 8, 1), batch_size=bad)


def test_redrawn_masks_wait_nowhere():
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5, mask="recompute"), nn.Linear(8, 2))
    assert lines(model, 4)[1] == "Mask bytes for a batch of 64: 0"


def test_p_0_and_1():
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0), nn.Linear(8, 2))
    assert lines(model, 4) == [
        "Expected active parameters in training: 58",
        "Mask bytes for a batch of 64: 0",
    ]
    model[1].p = 0.75
    assert lines(model, 4)[0].endswith(f": {40 * 0.25 + 16 * 0.25 + 2:.0f}")


def test_good_models_get_no_warning():
    assert warnings(classic(), (8, 8, 1)) == []
    norm_first = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5),
                               nn.Linear(8, 3))  # fmt: skip
    assert warnings(norm_first) == []
    off = nn.Sequential(nn.Dropout(0), nn.Dropout(0), nn.Linear(4, 8), nn.BatchNorm1d(8),
                        nn.Dropout(0))  # fmt: skip
    assert warnings(off) == []


@pytest.mark.parametrize("between", [[], [nn.ReLU()], [nn.Linear(8, 8), nn.ReLU()]])
def test_before_batch_norm(between):
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), *between, nn.BatchNorm1d(8),
                          nn.Linear(8, 3))  # fmt: skip
    (text,) = warnings(model)
    assert text.startswith(f"1 (Dropout) stands before {2 + len(between)} (BatchNorm1d)")


def test_high_rate():
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.9), nn.Linear(8, 3))
    (text,) = warnings(model)
    assert text.startswith("1 (Dropout) drops with p=0.9")
    model[1].p = 0.89
    assert warnings(model) == []


@pytest.mark.parametrize("end", [[], [nn.Softmax()], [nn.Flatten(), nn.LogSoftmax()]])
def test_after_the_last_layer(end):
    (text,) = warnings(nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5), *end))
    assert text == "1 (Dropout) stands after the last layer: it drops outputs"


@pytest.mark.parametrize("between", [[], [nn.Flatten()], [nn.Dropout(0)]])
def test_two_in_a_row(between):
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), *between, nn.Dropout(0.2),
                          nn.Linear(8, 3))  # fmt: skip
    assert warnings(model)[:1] == [
        f"1 (Dropout) and {2 + len(between)} (Dropout) drop twice in a row: together they keep 0.4"
    ]


def test_a_layer_in_a_module_has_its_path():
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.95)), nn.Linear(8, 3))
    assert warnings(model)[0].startswith("0.1 (Dropout)")
    assert warnings(nn.Dropout(0.95))[0].startswith("(Dropout)")


def test_dropped_weights():
    model = nn.Sequential(nn.DropConnect(nn.Linear(4, 8), 0.75), nn.ReLU(),
                          nn.DropConnect(nn.Linear(8, 3), 0.5, True))  # fmt: skip
    assert lines(model, 4) == [
        f"Expected active parameters in training: {32 * 0.25 + 8 + 24 * 0.5 + 3:.0f}",
        f"Mask bytes for a batch of 64: {32 // 8 + 64 * 24 // 8}",  # for the batch, for each sample
    ]


class Scale(nn.Module):
    """Weights of no Linear."""

    def __init__(self):
        self.weight = nn.Parameter(np.ones(8, np.float32))

    def forward(self, x):
        return x * self.weight


def test_weights_that_are_dropped_by_name():
    model = nn.Sequential(nn.WeightDrop(nn.Linear(4, 8), "weight", 0.75), nn.Dropout(0.5),
                          nn.WeightDrop(Scale(), "weight", 0.25))  # fmt: skip
    assert lines(model, 4)[0] == (
        f"Expected active parameters in training: {32 * 0.25 * 0.5 + 8 * 0.5 + 8 * 0.75:.0f}"
    )


class Residual(nn.Module):
    def __init__(self):
        self.branch = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.DropPath(0.2))

    def forward(self, x):
        return x + self.branch(x)


def test_stochastic_depth_as_in_its_paper_gets_no_warning():
    assert warnings(nn.Sequential(Residual(), Residual())) == []


@pytest.mark.parametrize("kind", [nn.AlphaDropout, nn.FeatureAlphaDropout])
@pytest.mark.parametrize("before, warned", [([nn.ReLU()], True), ([], True), ([nn.SELU()], False)])
def test_alpha_dropout_without_selu(kind, before, warned):
    model = nn.Sequential(nn.Conv2d(1, 4, 3), *before, kind(0.1), nn.Flatten(), nn.Linear(16, 3))
    found = warnings(model, (4, 4, 1))
    assert [f"({kind.__name__}) does not follow SELU" in text for text in found] == [True] * warned


def test_channel_dropout_takes_weights_of_convolutions_away():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.Dropout2d(0.5),
                          nn.Conv2d(4, 2, 1, bias=False))  # fmt: skip
    assert lines(model, (6, 6, 1)) == [
        f"Expected active parameters in training: {36 * 0.5 + 8 * 0.5:.0f}",
        f"Mask bytes for a batch of 64: {64 * 4 // 8}",
    ]
