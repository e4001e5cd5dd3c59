"""The bridge loses nothing and counts everything, whatever happens to the parts around it."""

import contextlib
import json
import logging
import secrets
from datetime import timedelta

import psycopg2
import pytest

from bridge_bench import SPECS
from smart_dairy_iot.bridge.config import Config
from smart_dairy_iot.bridge.liveness import Liveness
from smart_dairy_iot.bridge.store import Store
from smart_dairy_iot.bridge.timestamps import utc_now
from smart_dairy_iot.provisioning import DeviceAccess


@pytest.fixture
def device(bench):
    """Makes devices that are connected until the end of the test."""
    with contextlib.ExitStack() as stack:

        def make(*arguments, **options):
            publisher = bench.device(*arguments, **options)
            stack.callback(publisher.close)
            return publisher

        yield make


def test_a_message_the_database_refuses_is_set_aside_and_the_rest_of_its_batch_is_stored(bench, device):
    collar = device("AC-1", "collar")
    with bench.running(bench.make_bridge()):
        for number in range(100):
            # JSON can hold a NUL character, PostgreSQL's text cannot.
            collar.publish(number, animal_id="\0" if number == 37 else "17", steps=number)
        bench.wait_for_count("iot_activity_reading", 99)
        bench.wait_for_count("iot_dead_letter", 1)
    reason, detail, payload = bench.query("SELECT reason, detail, payload FROM iot_dead_letter")[0]
    assert reason == "database"
    assert "NUL" in detail
    assert json.loads(bytes(payload))["steps"] == 37


def test_a_topic_too_long_for_an_index_is_counted_and_set_aside_and_stops_nobody(bench, device):
    sensor = device("TS-1", "temperature")
    # By chance: what repeats itself is compressed, and then fits.
    topic = f"dairy/{secrets.token_hex(4000)}/temperature/TS-1"
    stray = bench.publisher(DeviceAccess("stray", "stray", ("dairy/+/temperature/TS-1/data",), ()), "TS-1", topic)
    with bench.running(bench.make_bridge()):
        stray.publish(1, temperature=4)
        bench.wait_for_count("iot_dead_letter", 1)
        sensor.publish(2, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 1)
    stray.close()
    assert bench.query("SELECT topic FROM iot_dead_letter") == [(f"{topic}/data",)]
    assert bench.query("SELECT received, stored FROM iot_dead_letter_count") == [(1, 1)]


# The registry, or the table of the dead letters, as an administrator or another addon may have changed it.
REFUSING_DEAD_LETTERS = {
    "its device": "DELETE FROM iot_device WHERE device_id = 'TS-1'",
    "its detail": "ALTER TABLE iot_dead_letter ADD CHECK (left(detail, 10) <> 'unexpected')",
    "its payload": "ALTER TABLE iot_dead_letter ADD CHECK (octet_length(payload) < 20)",
}


@pytest.mark.parametrize("what", REFUSING_DEAD_LETTERS)
def test_of_a_dead_letter_that_the_database_refuses_there_is_kept_what_it_takes_and_the_others_go_on(
    what, bench, device
):
    broken, sensor = device("TS-1", "temperature"), device("TS-2", "temperature")
    with bench.running(bench.make_bridge()):
        broken.publish(0, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 1)
        bench.query(REFUSING_DEAD_LETTERS[what])
        broken.publish_raw("{" + 20 * " ")
        sensor.publish(1, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 2)
        bench.wait_for_count("iot_dead_letter", 1)
    topic, reason, detail, payload = bench.query("SELECT topic, reason, detail, payload FROM iot_dead_letter")[0]
    assert topic == f"{broken.topic}/data"
    assert reason == "database"
    assert "constraint" in detail
    if what == "its payload":
        assert detail.endswith("the payload of 21 bytes is not kept")
        assert bytes(payload) == b""
    else:
        assert bytes(payload) == b"{" + 20 * b" "


def test_what_is_published_while_no_bridge_runs_is_stored_when_one_is_back(bench, device):
    sensor = device("TS-1", "temperature")
    with bench.running(bench.make_bridge()):
        sensor.publish(0, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 1)
    for number in range(1, 200):
        sensor.publish(number, temperature=4)
    with bench.running(bench.make_bridge()):
        bench.wait_for_count("iot_temperature_reading", 200)


def test_a_database_that_is_killed_in_mid_stream_costs_nothing(bed, bench, device):
    sensor = device("TS-1", "temperature")
    with bench.running(bench.make_bridge()):
        for number in range(300):
            sensor.publish(number, temperature=4)
        bench.wait_for(lambda: bench.count("iot_temperature_reading") > 0, "the first readings")
        bed.postgres.kill()
        for number in range(300, 600):
            sensor.publish(number, temperature=4)
        bed.postgres.start()
        bench.wait_for_count("iot_temperature_reading", 600)
    assert bench.query("SELECT sum(readings)::int FROM iot_temperature_reading_hourly") == [(600,)]


def test_a_stand_by_takes_over_when_the_leader_is_gone(bench, device, caplog):
    caplog.set_level(logging.INFO)
    sensor = device("TS-1", "temperature")
    first, second = bench.make_bridge(), bench.make_bridge()
    with bench.running(first) as stop_first:
        with bench.running(second, stand_by=True):
            for number in range(300):
                sensor.publish(number, temperature=4)
            bench.wait_for(lambda: "stands by: another process leads" in caplog.text, "the second stands by")
            assert [bridge.leadership.leads for bridge in (first, second)] == [True, False]
            stop_first.set()
            bench.wait_for(lambda: second.leadership.leads, "the second bridge leads")
            for number in range(300, 600):
                sensor.publish(number, temperature=4)
            bench.wait_for_count("iot_temperature_reading", 600)


def test_every_message_is_stored_or_a_duplicate_or_a_dead_letter(bench, device):
    sensor = device("TS-1", "temperature")
    with bench.running(bench.make_bridge()):
        for number in range(50):
            sensor.publish(number, temperature=4)
        for number in range(20):
            sensor.publish(number, temperature=4)
        for _repeat in range(7):
            sensor.publish_raw("{")
        bench.wait_for_count("iot_dead_letter", 7)
        bench.wait_for_count("iot_temperature_reading", 50)
        assert bench.query("SELECT messages_received, error_count FROM iot_device_state") == [(70, 7)]


def test_a_device_known_a_moment_ago_is_not_turned_away(bench, device):
    with bench.running(bench.make_bridge()):
        early = device("TS-1", "temperature")
        early.publish(0, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 1)
        # Made by SQL, without the notification that Odoo sends: the bridge has to ask.
        device("TS-2", "temperature").publish(0, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 2)
    assert bench.count("iot_dead_letter") == 0


def test_a_replayed_dead_letter_is_stored_once_its_cause_is_mended(bench, device):
    sensor = device("TS-1", "temperature", state="inactive")
    with bench.running(bench.make_bridge()):
        sensor.publish(0, temperature=4)
        bench.wait_for_count("iot_dead_letter", 1)
        bench.query("UPDATE iot_device SET state = 'active' WHERE device_id = 'TS-1'")
        bench.query("UPDATE iot_dead_letter SET state = 'replaying'")
        bench.query("NOTIFY iot_dead_letter")
        bench.wait_for_count("iot_temperature_reading", 1)
        bench.wait_for(lambda: bench.query("SELECT state FROM iot_dead_letter") == [("replayed",)], "it is settled")
    assert bench.query("SELECT last_seen FROM iot_device_state") == [(None,)], "a replay is no sign of life"


def test_a_flood_is_counted_to_the_last_message_stored_up_to_the_limit_and_holds_up_nobody(bench, device):
    flooding, sensor = device("TS-1", "temperature"), device("TS-2", "temperature")
    with bench.running(bench.make_bridge()):
        for number in range(400):
            flooding.publish_raw("{")
            if number % 10 == 0:
                sensor.publish(number, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 40)
        bench.wait_for(
            lambda: bench.query("SELECT sum(received) FROM iot_dead_letter_count") == [(400,)], "all are counted"
        )
    hours, stored, left_out = bench.query("SELECT count(*), sum(stored), sum(left_out) FROM iot_dead_letter_count")[0]
    assert stored == bench.count("iot_dead_letter") == min(400, Config.dead_letters_per_hour * hours)
    assert stored + left_out == 400
    states = "SELECT device_id, messages_received, error_count FROM iot_device_state JOIN iot_device device"
    assert bench.query(f"{states} ON device.id = iot_device_id ORDER BY device_id") == [
        ("TS-1", 0, 400),
        ("TS-2", 40, 0),
    ]


def test_a_flood_is_counted_exactly_though_the_bridge_is_restarted_in_it(bench, device):
    flooding = device("TS-1", "temperature")
    counted = "SELECT coalesce(sum(received), 0) FROM iot_dead_letter_count"
    for number in range(1, 6):
        with bench.running(bench.make_bridge()):
            for _message in range(1000):
                flooding.publish_raw("{")
            # It is told to stop in the middle of writing.
            bench.wait_for(
                lambda number=number: bench.query(counted)[0][0] > (number - 1) * 1000 + 100, "it is being written"
            )
    with bench.running(bench.make_bridge()):
        bench.wait_for(lambda: bench.query(counted)[0][0] >= 5000, "all are counted")
    assert bench.query(counted) == [(5000,)]
    assert bench.query("SELECT error_count FROM iot_device_state") == [(5000,)]


def test_a_corrected_copy_is_stored_in_place_of_what_the_device_sent(bench, device):
    sensor = device("TS-1", "temperature")
    correct = "UPDATE iot_dead_letter SET state = 'replaying', corrected_payload = %s; NOTIFY iot_dead_letter"
    with bench.running(bench.make_bridge()):
        sensor.publish(0, temperature="4,5")
        bench.wait_for_count("iot_dead_letter", 1)
        (original,) = bench.query("SELECT payload FROM iot_dead_letter")[0]
        payload = json.loads(bytes(original))
        bench.query(correct, json.dumps({**payload, "temperature": 4.5}))
        bench.wait_for(lambda: bench.query("SELECT state FROM iot_dead_letter") == [("replayed",)], "it is settled")
    assert bench.query("SELECT temperature FROM iot_temperature_reading") == [(4.5,)]
    assert bytes(bench.query("SELECT payload FROM iot_dead_letter")[0][0]) == bytes(original)


def test_a_corrected_copy_that_speaks_for_another_device_is_refused_again(bench, device):
    sensor, _other = device("TS-1", "temperature"), device("TS-2", "temperature")
    correct = "UPDATE iot_dead_letter SET state = 'replaying', corrected_payload = %s; NOTIFY iot_dead_letter"
    with bench.running(bench.make_bridge()):
        sensor.publish(0, temperature="4,5")
        bench.wait_for_count("iot_dead_letter", 1)
        payload = json.loads(bytes(bench.query("SELECT payload FROM iot_dead_letter")[0][0]))
        bench.query(correct, json.dumps({**payload, "device_id": "TS-2", "temperature": 4.5}))
        bench.wait_for(
            lambda: bench.query("SELECT reason, state FROM iot_dead_letter") == [("device_mismatch", "new")],
            "it is refused again",
        )
    assert bench.count("iot_temperature_reading") == 0
    assert bench.query("SELECT sum(received) FROM iot_dead_letter_count") == [(1,)]


def test_a_retained_status_that_a_new_session_is_given_is_no_sign_of_life(bench, device):
    sensor = device("TS-1", "temperature")
    sensor.publish_status(0, status="online")
    with bench.running(bench.make_bridge()):
        bench.wait_for(lambda: bench.count("iot_device_state") == 1, "the status is stored")
        assert bench.query("SELECT reported_status, last_seen FROM iot_device_state") == [("online", None)]
        sensor.publish(0, temperature=4)
        bench.wait_for(lambda: bench.query("SELECT last_seen FROM iot_device_state")[0][0], "the device was heard of")


def test_a_device_is_not_silent_while_nobody_could_hear_it(bench, device):
    sensor = device("TS-1", "temperature")
    with bench.running(bench.make_bridge()):
        sensor.publish(0, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 1)
    now = utc_now()
    with contextlib.closing(psycopg2.connect(**bench.dsn)) as connection:
        connection.autocommit = True
        back = now + timedelta(minutes=20)
        for minutes in (21, 24):
            Liveness(Config(offline_minutes=5)).check(
                connection, now + timedelta(minutes=minutes), listening_since=back
            )
        assert bench.count("iot_inbox") == 0
        Liveness(Config(offline_minutes=5)).check(connection, now + timedelta(minutes=26), listening_since=back)
        assert bench.query("SELECT kind FROM iot_inbox") == [("device_silent",)]


def test_a_device_that_falls_silent_and_comes_back_is_noticed_once_each(bench, device):
    sensor = device("TS-1", "temperature")
    with bench.running(bench.make_bridge()):
        sensor.publish(0, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 1)
    now = utc_now()
    with contextlib.closing(psycopg2.connect(**bench.dsn)) as connection:
        connection.autocommit = True
        liveness = Liveness(Config(offline_minutes=5))
        for minutes in (4, 6, 7):
            liveness.check(connection, now + timedelta(minutes=minutes), now)
        assert bench.query("SELECT kind FROM iot_inbox") == [("device_silent",)]
        bench.query("UPDATE iot_device_state SET last_seen = %s", now + timedelta(minutes=8))
        for minutes in (9, 10):
            liveness.check(connection, now + timedelta(minutes=minutes), now)
        assert sorted(bench.query("SELECT kind FROM iot_inbox")) == [("device_back",), ("device_silent",)]


class Listener:
    """Hears devices over HTTP by a clock of its own, and looks by another one, in minutes, who is silent.

    :param listening_since: minutes, by the clock that looks
    """

    def __init__(self, bench, listening_since=0):
        self._bench = bench
        self._now = utc_now()
        self._listening_since = self.at(listening_since)
        self._liveness = Liveness(Config(offline_minutes=5))

    def at(self, minutes):
        return self._now + timedelta(minutes=minutes)

    def hear(self, device_id, minutes):
        ((record_id,),) = self._bench.query("SELECT id FROM iot_device WHERE device_id = %s", device_id)
        with contextlib.closing(psycopg2.connect(**self._bench.dsn)) as connection, connection.cursor() as cursor:
            Store(SPECS).write_heartbeat(cursor, record_id, self.at(minutes))
            connection.commit()

    def look(self, minutes):
        with contextlib.closing(psycopg2.connect(**self._bench.dsn)) as connection:
            connection.autocommit = True
            self._liveness.check(connection, self.at(minutes), self._listening_since)

    def noticed(self):
        """[(device, kind)] in the order in which it was noticed."""
        return self._bench.query(
            "SELECT device.device_id, inbox.kind FROM iot_inbox inbox JOIN iot_device device"
            " ON device.id = inbox.iot_device_id ORDER BY inbox.id"
        )


def test_what_was_heard_while_the_clock_was_a_day_ahead_hides_no_silence_once_it_is_right(bench, device):
    for device_id in ("TS-QUIET", "TS-SPEAKS", "TS-SILENT-LONG"):
        device(device_id, "temperature")
    listener = Listener(bench)
    bench.query(
        "INSERT INTO iot_device_state (iot_device_id, last_seen, silent)"
        " SELECT id, %s, device_id = 'TS-SILENT-LONG' FROM iot_device",
        listener.at(24 * 60),
    )
    for minutes in (1, 3, 4):
        listener.hear("TS-SPEAKS", minutes)
        listener.look(minutes)
    assert listener.noticed() == []
    for minutes in (6, 8, 10):
        listener.hear("TS-SPEAKS", minutes)
        listener.look(minutes)
    assert listener.noticed() == [("TS-QUIET", "device_silent")]
    listener.look(17)
    assert sorted(listener.noticed()) == [("TS-QUIET", "device_silent"), ("TS-SPEAKS", "device_silent")]


def test_a_device_that_is_heard_by_a_host_whose_clock_is_ahead_is_silent_only_once_it_is(bench, device):
    device("TS-1", "temperature")
    listener, ahead = Listener(bench, listening_since=-600), 180
    for minutes in range(0, 20, 2):
        listener.hear("TS-1", minutes + ahead)
        listener.look(minutes)
    listener.look(20)
    assert listener.noticed() == []
    listener.look(24)
    assert listener.noticed() == [("TS-1", "device_silent")]
    listener.hear("TS-1", 30 + ahead)
    listener.look(30)
    assert listener.noticed() == [("TS-1", "device_silent"), ("TS-1", "device_back")]


def test_each_type_of_device_is_silent_after_its_own_time(bench, device):
    device("CO-1", "collar")
    device("TS-1", "temperature")
    now = utc_now()
    bench.query("INSERT INTO iot_device_state (iot_device_id, last_seen) SELECT id, %s FROM iot_device", now)
    config = Config(offline_minutes=5, offline_minutes_collar=60)

    def silent_after(minutes):
        with contextlib.closing(psycopg2.connect(**bench.dsn)) as connection:
            connection.autocommit = True
            Liveness(config).check(
                connection, now + timedelta(minutes=minutes), listening_since=now - timedelta(days=1)
            )
        return bench.query(
            "SELECT device.device_id FROM iot_inbox JOIN iot_device device ON device.id = iot_device_id"
            " ORDER BY iot_inbox.id"
        )

    assert silent_after(30) == [("TS-1",)]
    assert silent_after(61) == [("TS-1",), ("CO-1",)]
