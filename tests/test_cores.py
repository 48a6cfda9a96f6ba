"""Samples on whole cores: which are taken again, and when it is enough."""

import pytest

from bench.cores import MEMORY_SECONDS, WAIT_SHARE, Cores

LOOK_SECONDS, SAMPLE_SECONDS = 0.01, 0.05


class Machine:
    """A clock, looks at the cores whose rates are given (the last one goes on), and a contestant
    whose samples are numbered."""

    def __init__(self, *rates):
        self.now, self.rates, self.samples = 0.0, list(rates), 0

    def clock(self):
        return self.now

    def look(self):
        self.now += LOOK_SECONDS
        return self.rates.pop(0) if len(self.rates) > 1 else self.rates[0]

    def ask(self, command):
        assert command == "sample"
        self.now += SAMPLE_SECONDS
        self.samples += 1
        return {"seconds": self.samples}

    def cores(self, age=1000.0):
        """Cores that have been watched for `age` seconds, so that there is time to wait."""
        cores = Cores(self.look, self.clock)
        self.now += age
        return cores


@pytest.mark.parametrize("rates", [(200.0,), (200.0, 190.0, 205.0, 185.0), (None,)])
def test_whole_cores_give_each_sample_once(rates):
    machine = Machine(*rates)
    cores = machine.cores()
    assert [cores.sample(machine)["seconds"] for _ in range(3)] == [1, 2, 3]
    assert (cores.again, cores.unsure) == (0, 0)


def test_half_a_core_after_a_sample():
    machine = Machine(200.0, 100.0, 110.0, 200.0)  # before; after; waiting, twice
    cores = machine.cores()
    assert cores.sample(machine) == {"seconds": 2}
    assert (cores.again, cores.unsure, machine.rates) == (1, 0, [200.0])


def test_half_a_core_before_a_sample():
    machine = Machine(200.0, 200.0, 200.0, 200.0, 100.0, 100.0, 200.0)
    cores = machine.cores()
    for _ in range(3):
        cores.sample(machine)
    assert cores.sample(machine) == {"seconds": 5}  # the fourth ended on half a core
    assert (cores.again, cores.unsure) == (1, 0)


def test_no_time_to_wait():
    machine = Machine(200.0, 100.0)
    cores = machine.cores(age=0.0)
    assert cores.sample(machine) == {"seconds": 2}  # the first look and one more try are allowed
    assert (cores.again, cores.unsure) == (1, 1)


def test_waiting_ends_at_its_share_of_the_time():
    machine = Machine(*[200.0] * 101, 100.0)
    cores = machine.cores(age=0.0)
    for _ in range(100):
        cores.sample(machine)
    began = machine.now
    assert "seconds" in cores.sample(machine)
    one_more = SAMPLE_SECONDS + LOOK_SECONDS
    share = WAIT_SHARE * machine.now
    assert share - one_more <= machine.now - began <= share + 2 * one_more
    assert cores.unsure == 1


def test_a_machine_that_became_slower():
    machine = Machine(200.0, 200.0, 100.0)
    cores = machine.cores()
    for _ in range(4):
        cores.sample(machine)  # within two minutes none is on whole cores, except the first
    assert (cores.again > 0) and machine.samples == 4 + cores.again
    machine.now += MEMORY_SECONDS
    again, unsure = cores.again, cores.unsure
    cores.sample(machine)
    assert (cores.again, cores.unsure) == (again, unsure)


def test_a_rate_that_is_known_before():
    machine = Machine(100.0, 200.0)
    cores = machine.cores(age=100.0)
    cores.remember(200.0)
    assert cores.sample(machine) == {"seconds": 1}
    assert machine.now == pytest.approx(100.0 + SAMPLE_SECONDS + 3 * LOOK_SECONDS)


def test_an_error_is_not_asked_again():
    machine = Machine(200.0, 100.0)
    machine.ask = lambda command: {"error": "crashed"}
    cores = machine.cores()
    assert cores.sample(machine) == {"error": "crashed"}
    assert (cores.again, cores.unsure) == (0, 0)
