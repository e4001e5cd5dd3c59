"""Each fault once, the short form of `make test-faults`: what the broker delivered is stored or set aside, once.

What is counted is explained in scripts/faults/account.py, what is done in scripts/faults/kinds.py.
"""

import random

import pytest

from faults.back_pressure import hold_back
from faults.broker_loss import SAVINGS, measure_broker_loss
from faults.kinds import FAULTS
from faults.scene import open_scene
from faults.skip import CannotBreak
from faults.trials import run_fault, summary

STOPPED_SECONDS = 20
# Acknowledged since the broker began its last save.
UNDER_WAY = 100


@pytest.fixture(scope="module")
def scene(test_bed_and_template):
    with open_scene(*test_bed_and_template, "faults") as opened:
        yield opened


@pytest.fixture(scope="module")
def seed():
    number = random.randrange(10**6)
    print(f"seed {number}")
    return number


@pytest.mark.parametrize("name", FAULTS)
def test_what_the_broker_delivered_is_kept_once_and_the_bridge_recovers(scene, seed, name):
    try:
        figures = summary(run_fault(scene, name, 1, seed))
    except CannotBreak as reason:
        pytest.skip(str(reason))
    assert not figures["complaints"]
    assert figures["stored"] > 0


@pytest.mark.parametrize("saving", SAVINGS, ids=lambda saving: f"{saving[1]}_{saving[0]}")
def test_what_a_killed_broker_delivered_is_kept_though_it_loses_what_it_had_not(scene, seed, saving):
    figures = measure_broker_loss(scene, saving, away=True, times=1, seed=seed, hurry=True)
    assert not figures["complaints"]
    assert figures["acknowledged"] > 0
    unit, number = saving
    if unit == "changes":
        assert figures["lost"] <= number + UNDER_WAY


def test_a_stopped_database_costs_neither_messages_nor_memory(scene):
    assert not hold_back(scene, STOPPED_SECONDS)["complaints"]
