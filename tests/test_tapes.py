"""Tapes that do not fit, and tapes in files."""

import json
from fractions import Fraction

import pytest
from dropped import X, calls, net
from helpers import assert_same_bits

import minidrop as md
from minidrop import nn

# ---- a tape that does not fit ----


def replay_wrong(change, told, x=X):
    with md.record_masks() as tape:
        net()(X)
    model = net()
    change(model)
    before = calls(model)
    with pytest.raises(ValueError, match=told):
        with md.replay_masks(tape, model):
            model(x)
    assert calls(model) == before
    assert model(x).shape == (len(x), 3)  # and all is as ever


def test_replay_with_another_p():
    replay_wrong(
        lambda m: setattr(m[4], "p", 0.5),
        r"draw 1 of the tape is that of .*p=0\.25 .*, but 4 Dropout.* with p=0\.5",
    )


def test_replay_with_another_layer():
    class Other(nn.Dropout):
        pass

    replay_wrong(lambda m: m.__setitem__(2, Other(0.5)), "draw 0 .*Dropout.*, but 2 Other")


def test_replay_with_another_batch():
    replay_wrong(lambda m: None, r"shape \(10, 8\), but 2 Dropout.*shape \(4, 8\)", x=X[:4])


def test_replay_with_one_more_layer():
    replay_wrong(lambda m: m.append(nn.Dropout(0.5)), "the tape ends after 2 draws, but 6 Dropout")


def test_replay_with_one_layer_less():
    replay_wrong(lambda m: m.__delitem__(4), "has 2 draws, only 1 .*p=0.25")


def test_an_error_inside_is_not_hidden():
    with md.record_masks() as tape:
        net()(X)
    with pytest.raises(ZeroDivisionError), md.replay_masks(tape):
        raise ZeroDivisionError
    with pytest.raises(TypeError, match="tape must be a Tape, got list"):
        md.replay_masks([])


# ---- files ----


def test_save_and_load(tmp_path):
    model = nn.Sequential(nn.Dropout(float(Fraction(1, 3)), seed=2**64 - 1))
    with md.record_masks(model) as tape:
        expected = model(X).numpy()
    tape.save(tmp_path / "tape.json")
    loaded = md.Tape.load(tmp_path / "tape.json")
    assert loaded == tape and loaded[0].seed == 2**64 - 1 and repr(loaded) == "Tape(1 draws)"
    with md.replay_masks(loaded):
        assert_same_bits(model(X).numpy(), expected)
    assert (tmp_path / "tape.json").stat().st_size < 400


def test_files_that_are_no_tapes(tmp_path):
    path = tmp_path / "tape.json"
    with pytest.raises(FileNotFoundError):
        md.Tape.load(path)
    with md.record_masks() as tape:
        net()(X)
    tape.save(path)
    good = json.loads(path.read_text())
    wrong = [b"", b"\xff\xfe", b"[]", b"{}", b"[" * 100_000, b'{"format": "other", "draws": []}']
    for change in (
        {"p": "half"},
        {"seed": -1},
        {"call": 1.5},
        {"shape": [-2]},
        {"shape": 3},
        {"path": None},
        {"more": 1},
    ):
        draws = [{**good["draws"][0], **change}]
        wrong.append(json.dumps({**good, "draws": draws}).encode())
    wrong.append(json.dumps({**good, "draws": [3]}).encode())
    for data in wrong:
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"tape\.json: not a tape"):
            md.Tape.load(path)
