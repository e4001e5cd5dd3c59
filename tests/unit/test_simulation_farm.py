"""The demo farm as a whole: reproducible to the byte, in order, of modest volume, and valid by the shipped schemas."""

import json
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from jsonschema_rs import Draft202012Validator

from simulation.farm import DemoFarm
from simulation.faults import Fault, FaultError
from simulation.herd import Herd
from simulation.layout import DEVICES, collar_wearer
from simulation.parlour import Schedule

START = datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)
LIVE = START + timedelta(days=1, minutes=1)
SCHEMAS = Path(__file__).parents[2] / "smart_dairy_iot" / "data" / "schemas"


def run(seed=1, faults=(), until=LIVE + timedelta(minutes=30), live=LIVE, herd=None):
    herd = herd or Herd.generate(seed, START.date())
    farm = DemoFarm(seed, herd, Schedule.around(live), START, live, tuple(map(Fault.parse, faults)))
    messages = []
    for message in farm.messages():
        if message.at > until:
            return messages
        messages.append(message)
    raise AssertionError("the messages ended")


@pytest.fixture(scope="module")
def day():
    return run()


def test_the_same_seed_and_times_give_the_same_bytes(day):
    assert run() == day


def test_another_seed_gives_other_data(day):
    other = run(seed=2, until=START + timedelta(hours=1))
    same = [message for message in day if message.at <= START + timedelta(hours=1) and message.message_type == "data"]
    assert not {message.body for message in other if message.message_type == "data"} & {m.body for m in same}


def test_a_longer_run_begins_with_the_same_bytes_as_a_shorter_one(day):
    short = run(until=START + timedelta(hours=3))
    assert short == day[: len(short)]


def test_messages_come_in_order_and_none_from_before_the_start(day):
    times = [message.at for message in day]
    assert times == sorted(times)
    assert times[0] >= START


def test_a_day_of_history_is_modest_and_every_publishing_device_takes_part(day):
    history = [message for message in day if message.at < LIVE]
    assert 10_000 < len(history) < 30_000
    publishing = {device.device_id for device in DEVICES.values() if not device.is_modbus}
    assert {message.device_id for message in history if message.message_type == "data"} == publishing


def test_no_two_readings_of_a_device_share_time_and_channel(day):
    keys = Counter(
        (message.device_id, message.payload["timestamp"], message.payload.get("channel", 0))
        for message in day
        if message.message_type == "data"
    )
    assert [key for key, count in keys.items() if count > 1] == []


def test_live_devices_report_often_enough_to_be_taken_for_alive(day):
    """The product calls a device silent after five minutes."""
    heard = defaultdict(list)
    for message in day:
        if message.at >= LIVE:
            heard[message.device_id].append(message.at)
    for device_id, times in heard.items():
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert max(gaps) <= timedelta(minutes=3), device_id
        assert times[0] - LIVE <= timedelta(minutes=3), device_id


@pytest.mark.parametrize(
    ("device_type", "interval", "live_interval"),
    [
        ("temperature", timedelta(minutes=2), timedelta(seconds=30)),
        ("collar", timedelta(minutes=5), timedelta(minutes=2)),
    ],
)
def test_sensors_report_seldom_in_the_past_and_often_when_live(day, device_type, interval, live_interval):
    ids = {device.device_id for device in DEVICES.values() if device.device_type == device_type}
    times = defaultdict(list)
    for message in day:
        if message.device_id in ids and message.message_type == "data":
            times[message.device_id].append(message.at)
    assert len({series[0] for series in times.values()}) == len(ids), "they speak one after the other"
    for series in times.values():
        past = [at for at in series if at < LIVE - interval]
        live = [at for at in series if at >= LIVE]
        assert {b - a for a, b in pairwise(past)} == {interval}
        assert {b - a for a, b in pairwise(live)} == {live_interval}


def test_a_collar_reports_for_the_cow_that_wears_it(day):
    for message in day:
        if message.device_id.startswith("AC") and message.message_type == "data":
            assert message.payload["animal_id"] == str(collar_wearer(message.device_id))


def test_cows_are_milked_as_soon_as_the_clock_is_live_on_modbus_then_on_mqtt_meters(day):
    farm = DemoFarm(1, Herd.generate(1, START.date()), Schedule.around(LIVE), START, LIVE)
    at = LIVE + timedelta(seconds=5)
    assert farm.parlour.on_meter("MM003", at).registers(at)["milking"]
    first = next(m for m in day if m.at >= LIVE and m.device_id.startswith("MM") and m.message_type == "data")
    assert first.at - LIVE < timedelta(seconds=15)


@pytest.mark.parametrize(
    ("schema", "message_type", "devices"),
    [
        ("milk_meter_data", "data", "MM"),
        ("temperature_data", "data", "TS"),
        ("collar_data", "data", "AC"),
        ("feeder_data", "data", "FD"),
        ("device_status", "status", ""),
    ],
)
def test_every_message_is_valid_by_the_shipped_schema(day, schema, message_type, devices):
    validator = Draft202012Validator(json.loads((SCHEMAS / f"{schema}.json").read_text()), validate_formats=True)
    chosen = [m.payload for m in day if m.message_type == message_type and m.device_id.startswith(devices)]
    assert len(chosen) > 100
    assert [error.message for payload in chosen for error in validator.iter_errors(payload)] == []


def test_a_silent_device_falls_silent_when_the_clock_goes_live_and_the_others_do_not(day):
    faulty = run(faults=["silent:TS003"])
    assert [m for m in faulty if m.device_id != "TS003"] == [m for m in day if m.device_id != "TS003"]
    remaining = [m for m in faulty if m.device_id == "TS003"]
    assert remaining == [m for m in day if m.device_id == "TS003" and m.at < LIVE]
    assert remaining


def test_wrong_payloads_are_no_json_then_against_the_schema_then_another_device_s():
    wrong = [
        m
        for m in run(faults=["wrong-payload:AC005"])
        if m.device_id == "AC005" and m.at >= LIVE and m.message_type == "data"
    ]
    assert len(wrong) >= 6
    for first, second, third in zip(wrong[::3], wrong[1::3], wrong[2::3], strict=False):
        with pytest.raises(ValueError):
            json.loads(first.body)
        assert "timestamp" not in second.payload
        assert third.payload["device_id"] == "XX999"


def test_a_hot_tank_does_not_cool_the_milk_that_comes_in(day):
    def warmest(messages):
        return max(
            m.payload["temperature"]
            for m in messages
            if m.device_id == "TS001" and m.message_type == "data" and m.at >= LIVE
        )

    end = LIVE + timedelta(hours=2)
    assert warmest(run(faults=["hot-tank:TS001"], until=end)) > warmest(run(until=end)) + 3


def test_a_cow_with_rising_conductivity_shows_it_from_milking_to_milking(day):
    herd = Herd.generate(1, START.date())
    number = next(cow.number for cow in herd.cows.values() if cow.is_milked)

    def conductivities(messages):
        tag = herd.cows[number].tag_decimal
        sessions = {}
        for message in messages:
            if message.device_id.startswith("MM") and message.message_type == "data":
                payload = message.payload
                if payload["rfid_tag"] == tag:
                    sessions[payload["session_id"]] = payload["quality"]["conductivity"]
        return list(sessions.values())

    until = START + timedelta(days=2)
    live = START + timedelta(days=2, minutes=1)
    ill = conductivities(run(faults=[f"conductivity:{number}"], until=until, live=live))
    healthy = conductivities(run(until=until, live=live))
    ratios = [high / normal for high, normal in zip(ill, healthy, strict=True)]
    assert len(ratios) >= 3
    assert ratios == sorted(ratios)
    assert ratios[-1] > 1.2


@pytest.mark.parametrize(
    "text", ["boredom:TS001", "silent", "silent:TS999", "silent:MM003", "hot-tank:TS002", "conductivity:Berta"]
)
def test_a_fault_that_cannot_be_is_refused_with_a_sentence(text):
    with pytest.raises(FaultError, match=r"\w+ .*\."):
        Fault.parse(text)


def test_a_dry_cow_s_conductivity_cannot_rise():
    herd = Herd.generate(1, START.date())
    dry = next(cow.number for cow in herd.cows.values() if not cow.is_milked)
    with pytest.raises(FaultError):
        run(faults=[f"conductivity:{dry}"], herd=herd)
