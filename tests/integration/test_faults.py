"""Each fault once, the short form of `make test-faults`: what the broker delivered is stored or set aside, once.

What is counted is explained in scripts/faults/account.py, what is done in scripts/faults/kinds.py.
"""

import random

import pytest

from faults.back_pressure import hold_back
from faults.broker_loss import measure_broker_loss
from faults.kinds import FAULTS
from faults.parts import SHIPPED_SAVING
from faults.scene import open_scene
from faults.skip import CannotBreak
from faults.trials import run_fault

# That makes more messages than the broker delivers unacknowledged.
STOPPED_SECONDS, RATE = 6, 2000
# Acknowledged since the broker began its last save.
UNDER_WAY = 200
# Mosquitto saves a second later than it is told, and looks whether it is time once a second.
LATE_SECONDS = 2
# In how much time a bridge recovers is also a matter of what else the machine does; that it loses nothing is not.
ATTEMPTS = 3


@pytest.fixture(scope="module")
def scene(test_bed_and_template):
    with open_scene(*test_bed_and_template, "faults", hurry=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def seed():
    number = random.randrange(10**6)
    print(f"seed {number}")
    return number


@pytest.mark.parametrize("name", FAULTS)
def test_what_the_broker_delivered_is_kept_once_and_the_bridge_recovers_in_time(scene, seed, name):
    for attempt in range(ATTEMPTS):
        try:
            (outcome,) = run_fault(scene, name, 1, seed + attempt)
        except CannotBreak as reason:
            pytest.skip(str(reason))
        assert not outcome.complaints
        assert outcome.counts["stored"] > 0
        if not outcome.late:
            return
    pytest.fail(f"{ATTEMPTS} times, at last {outcome.late}")


@pytest.mark.parametrize("saving", [SHIPPED_SAVING, ("changes", 200)], ids=lambda saving: f"{saving[1]}_{saving[0]}")
def test_what_a_killed_broker_delivered_is_kept_and_it_loses_but_what_came_since_its_last_save(scene, seed, saving):
    figures = measure_broker_loss(scene, saving, away=True, times=1, seed=seed)
    assert not figures["complaints"]
    assert figures["acknowledged"] > 0
    unit, number = saving
    since_last_save = number if unit == "changes" else figures["rate"] * (number + LATE_SECONDS)
    assert figures["lost"] <= since_last_save + UNDER_WAY


def test_a_stopped_database_costs_neither_messages_nor_memory(scene):
    assert not hold_back(scene, STOPPED_SECONDS, RATE)["complaints"]
