"""Benchmarks on an unsteady machine: which rows are asked again, and what stays."""

import pytest

from bench import session, steadiness


@pytest.mark.parametrize(
    "samples, moved", [([], 0), ([1, 2], 0), ([1, 9, 1.5], 0.5), ([3, 3, 9, 9, 1, 2, 2, 2, 1], 0.5)]
)
@pytest.mark.parametrize("probe", steadiness.PROBES)
def test_drift(probe, samples, moved):
    expected = moved / steadiness.LIMITS[probe]
    assert steadiness.drift(probe, samples) == pytest.approx(expected)


def measured(peak=100.0, memory=20.0, exchange=14.0, drift=0.0, unit="FLOP", seconds=1.0):
    """A row as a session measures it, of nobody; `seconds` tells one measurement from another."""
    return {"suite": "matmul", "case": "NN", "threads": 1, "unit": unit, "peak": peak,
            "memory": memory, "exchange": exchange, "drift": drift, "asked": 1, "took": seconds,
            "contestants": {}, "failed": {}}  # fmt: skip


@pytest.mark.parametrize(
    "disturbed, moved",
    [
        (measured(), 0),
        (measured(peak=80.0), 0.25 / 0.15),
        (measured(peak=80.0, unit="byte"), 0),  # a copy of its own size: no other row has it
        (measured(peak=None), 0),
        (measured(memory=10.0), 1.0 / 0.15),
        (measured(memory=None), 0),
        (measured(exchange=4.0), 2.5 / 0.5),
        (measured(exchange=10.0), 0.8),  # the threads' way to each other is never still
        (measured(exchange=None), 0),
        (measured(peak=80.0, drift=2.4), 2.4),
        (measured(peak=110.0, memory=25.0), 0),
    ],
)
def test_unsteadiness(disturbed, moved):
    usual = steadiness.usual([measured() for _ in range(5)] + [disturbed])
    assert steadiness.unsteadiness(disturbed, usual) == pytest.approx(moved)


def test_usual_of_one_row_and_of_none():
    assert steadiness.usual([measured()]) == {"peak": 100.0, "memory": 20.0, "exchange": 14.0}
    assert steadiness.usual([]) == dict.fromkeys(("peak", "memory", "exchange"))


class Replayed(session.Session):
    """A session whose second measurements are given."""

    def __init__(self, again):
        super().__init__(1, [], 1, show=lambda line: None)
        self.again, self.order = again, []

    def _row(self, i):
        self.order.append(i)
        return self.again[i]


def test_unsteady_rows_are_asked_again_and_the_steadier_measurement_stays():
    """Row 1 was disturbed and becomes steady, though slower; row 2, more disturbed, gets worse;
    row 3 gets better and is still unsteady."""
    steady = [measured() for _ in range(12)]
    rows = [*steady[:1], measured(memory=10.0), measured(peak=40.0), measured(drift=1.5), *steady]
    again = {1: measured(seconds=2.0), 2: measured(peak=30.0), 3: measured(drift=1.2)}
    before, replayed = list(rows), Replayed(again)
    replayed._ask_again([(i,) for i in range(len(rows))], rows, seconds=60)
    assert replayed.order == [2, 1, 3]
    assert rows == [before[0], again[1], before[2], again[3], *steady]
    assert [r["noisy"] for r in rows[:5]] == [False, False, True, True, False]
    assert [r["asked"] for r in rows[:5]] == [1, 2, 2, 2, 1]


def test_no_time_to_ask_again():
    rows = [measured(drift=1.5)]
    replayed = Replayed({})
    replayed._ask_again([(0,)], rows, seconds=-1)
    assert not replayed.order and rows[0]["noisy"] and rows[0]["asked"] == 1
