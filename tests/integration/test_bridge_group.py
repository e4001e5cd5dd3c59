"""Bridges that share a group work side by side, and one of them sees to what is done once.

The broker here is Mosquitto, which deals the messages out in turn. What EMQX adds, that one device's messages stay with
one bridge and so in order, is not tested here.
"""

import contextlib
import logging
from datetime import datetime, timedelta, timezone

import pytest

from mosquitto_users import command

GROUP = "dairy_bridges"


@pytest.fixture
def make_member(bench):
    """Makes bridges of the group, each with a user of its own at the broker."""
    rights = [
        {"acltype": kind, "topic": topic, "allow": True}
        for topic in ("dairy/#", f"$share/{GROUP}/dairy/#")
        for kind in ("publishClientSend", "publishClientReceive", "subscribePattern")
    ]
    answers = command(bench.config, {"command": "createRole", "rolename": "group", "acls": rights})
    assert "error" not in answers[0]

    def make(name, *workers):
        user = {"username": name, "clientid": name, "password": "test-password", "roles": [{"rolename": "group"}]}
        assert "error" not in command(bench.config, {"command": "createClient", **user})[0]
        return bench.make_bridge(
            *workers,
            bridge_share_group=GROUP,
            mqtt_bridge_username=name,
            mqtt_bridge_client_id=name,
            mqtt_bridge_password="test-password",
        )

    return make


class LastingWorker:
    """Works where the lead is lost, too, and may hold something from before."""

    name = "lasting worker"
    outlives_lead = True

    def __init__(self):
        self.context = None
        self.runs = 0

    def use(self, context):
        self.context = context

    def run(self, stop):
        self.runs += 1
        stop.wait()


def test_what_a_member_that_does_not_see_to_all_holds_from_before_goes_its_way_with_or_without_a_lead(
    bench, make_member
):
    worker = LastingWorker()
    first, second = make_member("sd_bridge_1"), make_member("sd_bridge_2", worker)
    sensor = bench.device("TS-1", "temperature")
    instant = (datetime.now(timezone.utc) - timedelta(hours=1)).replace(tzinfo=None)

    def reading(second):
        stamp = (instant + timedelta(seconds=second)).isoformat() + "Z"
        return f"{sensor.topic}/data", {"device_id": "TS-1", "timestamp": stamp, "temperature": 4.5}

    with contextlib.closing(sensor), bench.running(first):
        bench.wait_for(lambda: first._shift._sees_to_all, "the first to come sees to all")
        with bench.running(second):
            bench.wait_for(lambda: worker.context, "the other one's worker is given a way")
            assert worker.context.submit(*reading(1)).result(60) == "stored"
            assert not second._shift._sees_to_all and not worker.runs
        assert worker.context.submit(*reading(2)).cancelled(), "its shift has ended"
        assert [item.outcome for item in worker.context.store([reading(2), reading(1)])] == ["stored", "duplicate"]
    bench.wait_for_count("iot_temperature_reading", 2)


def test_both_receive_and_every_reading_is_stored_once(bench, make_member):
    first, second = make_member("sd_bridge_1"), make_member("sd_bridge_2")
    sensor = bench.device("TS-1", "temperature")
    with contextlib.closing(sensor), bench.running(first), bench.running(second):
        shifts = [bridge._shift for bridge in (first, second)]
        for number in range(400):
            sensor.publish(number, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 400)
        bench.wait_for(
            lambda: sum(shift.pipeline.counters.stored for shift in shifts) == 400, "both have counted what they stored"
        )
        assert all(shift.pipeline.counters.stored > 50 for shift in shifts), "they share the load"
    assert bench.query("SELECT sum(readings)::int FROM iot_temperature_reading_hourly") == [(400,)]


def test_who_joins_a_group_receives_its_share_alone_and_who_leaves_it_everything_once(bench, make_member, monkeypatch):
    monkeypatch.setattr("smart_dairy_iot.bridge.shift._BROKER_SAVES_WITHIN", 0)
    members = [make_member("sd_bridge_1"), make_member("sd_bridge_2")]
    alone = bench.make_bridge(
        mqtt_bridge_username="sd_bridge_1",
        mqtt_bridge_client_id="sd_bridge_1",
        mqtt_bridge_password="test-password",
    )
    sensor = bench.device("TS-1", "temperature")

    def wait_until_it_shares(shares):
        statement = "SELECT DISTINCT topic_filter LIKE %s FROM iot_bridge_subscription WHERE client_id = 'sd_bridge_1'"
        bench.wait_for(lambda: bench.query(statement, "$share/%") == [(shares,)], "it has what it wants alone")

    def received_by(bridges, numbers):
        """How many messages the bridges receive of so many readings."""
        for number in numbers:
            sensor.publish(number, temperature=4)
        bench.wait_for_count("iot_temperature_reading", numbers.stop)
        counters = [bridge._shift.pipeline.counters for bridge in bridges]
        bench.wait_for(lambda: sum(each.stored for each in counters) == len(numbers), "all are counted")
        return sum(each.received for each in counters)

    with contextlib.closing(sensor):
        with bench.running(alone):
            wait_until_it_shares(False)
            assert received_by([alone], range(200)) == 200
        with bench.running(members[0]), bench.running(members[1]):
            wait_until_it_shares(True)
            assert received_by(members, range(200, 400)) == 200
        with bench.running(alone):
            wait_until_it_shares(False)
            assert received_by([alone], range(400, 600)) == 200


def test_one_of_them_sees_to_the_outbox_and_another_when_it_is_gone(bench, make_member):
    first, second = make_member("sd_bridge_1"), make_member("sd_bridge_2")
    sensor = bench.device("TS-1", "temperature")
    entry = "INSERT INTO iot_outbox (topic, payload, qos, retain, state) VALUES (%s, %s, 1, false, 'queued')"
    with contextlib.closing(sensor), bench.running(second) as stop_second:
        bench.wait_for(lambda: second._shift._sees_to_all, "the first to come sees to it")
        with bench.running(first):
            for number in range(2):
                bench.query(entry, f"{sensor.topic}/config", f'{{"interval": {number}}}')
                bench.query("NOTIFY iot_outbox")
            bench.wait_for(lambda: len(sensor.received) == 2, "both entries are published")
            assert [bridge._shift._sees_to_all for bridge in (first, second)] == [False, True]
            stop_second.set()
            bench.wait_for(lambda: first._shift._sees_to_all, "the first one sees to it")
            bench.query(entry, f"{sensor.topic}/config", '{"interval": 2}')
            bench.wait_for(lambda: len(sensor.received) == 3, "the entry is published")
    assert sensor.received == [{"interval": number} for number in range(3)]


def test_two_processes_with_one_client_id_relieve_one_another_in_a_group_too(bench, make_member, caplog):
    caplog.set_level(logging.INFO)
    first = make_member("sd_bridge_1")
    second = bench.make_bridge(
        bridge_share_group=GROUP,
        mqtt_bridge_username="sd_bridge_1",
        mqtt_bridge_client_id="sd_bridge_1",
        mqtt_bridge_password="test-password",
    )
    with bench.running(first) as stop_first, bench.running(second, stand_by=True):
        bench.wait_for(lambda: "stands by: another process leads" in caplog.text, "the second stands by")
        assert first.leadership.leads
        assert not second.leadership.leads
        stop_first.set()
        bench.wait_for(lambda: second.receiving, "the second takes over")
