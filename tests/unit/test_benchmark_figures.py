"""What the benchmarks make of what they have measured."""

import subprocess
import sys

import pytest

from benchmarks.account import complain
from benchmarks.history import _summary
from benchmarks.publisher import lane_of
from benchmarks.results import percentiles
from smart_dairy_iot.telemetry import statements
from smart_dairy_iot.telemetry.spec import Column, TelemetrySpec
from stack.paths import ROOT
from stack.shell import StackError

ALL_STORED = {"stored": 10, "duplicates": 0, "dead_letters": 0, "dropped": 0}


def test_a_percentile_is_the_least_value_that_so_many_percent_do_not_exceed():
    assert percentiles([4, 1, 3, 2], 25, 50, 75, 100) == {"p25": 1, "p50": 2, "p75": 3, "p100": 4}
    assert percentiles(list(range(1, 101)), 50, 95, 99) == {"p50": 50, "p95": 95, "p99": 99}
    assert percentiles([7], 1, 50) == {"p1": 7, "p50": 7}


def test_messages_that_are_all_stored_once_are_no_matter_of_complaint():
    complain(10, 10, ALL_STORED)


@pytest.mark.parametrize(
    ("stored", "outcomes"),
    [
        (9, {"stored": 9}),
        (9, {}),
        (10, {"stored": 9}),
        (9, {"stored": 9, "duplicates": 1}),
        (9, {"stored": 9, "dead_letters": 1}),
        (10, {"duplicates": 1}),
        (10, {"dropped": 1}),
    ],
)
def test_what_is_lost_stored_twice_or_set_aside_is_an_error(stored, outcomes):
    with pytest.raises(StackError, match="Of 10 messages"):
        complain(10, stored, ALL_STORED | outcomes)


def test_a_device_has_the_same_lane_in_each_run_and_under_each_prefix():
    topics = [f"{prefix}dairy/FARM/collars/B{number:05}/data" for number in range(50) for prefix in ("", "bare/")]
    lanes = [lane_of(topic, 4) for topic in topics]
    assert lanes[::2] == lanes[1::2]
    assert set(lanes) == {0, 1, 2, 3}
    code = f"from benchmarks.publisher import lane_of; print([lane_of(topic, 4) for topic in {topics!r}])"
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True, timeout=60, check=True
    )
    assert other.stdout.strip() == str(lanes)


@pytest.mark.parametrize("kind", ["real", "double precision", "integer"])
def test_the_history_is_summed_up_as_the_bridge_sums_up(kind):
    spec = TelemetrySpec("iot.x", "iot_x", ("x",), (Column("value", kind, "value"),), ("value",))
    for part in ("count", "sum", "min", "max"):
        assert _summary(part, kind) == statements._part(spec, "value", part)
