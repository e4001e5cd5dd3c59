"""What the platform publishes for others, on a real broker: aggregates of each farm, and critical alerts, once each."""

import json
from datetime import timedelta

import pytest

from smart_dairy_iot.provisioning import DeviceAccess
from support import connected, credentials_for, eventually, new_code, utc_now

READINGS = "SELECT count(*) FROM iot_temperature_reading WHERE iot_device_id = %s"
ALERTS = "dairy/system/alerts"


@pytest.fixture
def listener(shared_broker, farm):
    """A client, of whoever watches the farm by MQTT, with rights to read what the platform publishes."""
    topics = (f"dairy/{farm.code}/aggregated/hourly", f"dairy/{farm.code}/aggregated/daily", ALERTS)
    name = new_code("listener")
    with connected(shared_broker, credentials_for(shared_broker, DeviceAccess(name, name, subscribe=topics))) as client:
        assert all(client.subscribe(topic) for topic in topics)
        yield client


def heard(listener, topic):
    return [json.loads(payload) for where, payload in listener.received if where == topic]


class TestAggregates:
    @pytest.fixture
    def publish(self, odoo, stored):
        """Runs the scheduled action, as the scheduler would, until all that it published has left the outbox.

        The scheduler itself is kept from it meanwhile: between two readings it would make a revision of the first.
        """
        (cron,) = odoo.call("ir.cron", "search", [("code", "=", "model._cron_publish()")])
        odoo.call("ir.cron", "write", [cron], {"active": False})

        def run():
            odoo.call("ir.cron", "method_direct_trigger", [cron])
            queued = "SELECT count(*) FROM iot_outbox WHERE state = 'queued'"
            eventually(lambda: stored.value(queued) == 0, "the outbox is empty")

        yield run
        odoo.call("ir.cron", "write", [cron], {"active": True})

    def test_an_hour_and_a_day_are_published_once_and_again_when_readings_come_late(
        self, shared_broker, stored, farm, listener, publish
    ):
        sensor = farm.provision(new_code("TS"))
        noon = (utc_now() - timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)
        hourly, daily = (f"dairy/{farm.code}/aggregated/{period}" for period in ("hourly", "daily"))

        def told():
            return [
                [
                    (message["start"], message["revision"], message["readings"])
                    for message in sorted(heard(listener, topic), key=lambda message: message["revision"])
                ]
                for topic in (hourly, daily)
            ]

        with connected(shared_broker, sensor.credentials) as device:

            def measure(minute, temperature, count):
                device.publish(
                    sensor.topic(), sensor.payload(noon + timedelta(minutes=minute), temperature=temperature)
                )
                eventually(lambda: stored.value(READINGS, sensor.record_id) == count, "the reading is stored")

            measure(1, 4.0, 1)
            measure(2, 8.0, 2)
            publish()
            hour, day = noon.strftime("%Y-%m-%dT12:00:00Z"), noon.strftime("%Y-%m-%dT00:00:00Z")
            once = [[(hour, 1, 2)], [(day, 1, 2)]]
            eventually(lambda: told() == once, told)
            publish()
            measure(3, 12.0, 3)
            publish()
            twice = [[*one, (one[0][0], 2, 3)] for one in once]
            eventually(lambda: told() == twice, told)
            publish()
        assert told() == twice
        summary = max(heard(listener, hourly), key=lambda message: message["revision"])["device_types"]["temperature"]
        assert summary["values"]["temperature"] == {"count": 3, "sum": 24.0, "mean": 8.0, "min": 4.0, "max": 12.0}


def test_a_critical_alert_is_published_once_and_no_other(odoo, farm, listener):
    def raise_alert(severity, name):
        values = {"name": name, "alert_type": "tank_warm", "severity": severity, "farm_id": farm.id}
        return odoo.call("iot.alert", "create", [values])[0]

    def told():
        return [(message["alert_id"], message["name"]) for message in heard(listener, ALERTS)]

    critical = raise_alert("critical", "The tank is warm")
    mild = raise_alert("low", "The tank is lukewarm")
    eventually(lambda: told() == [(critical, "The tank is warm")], told)
    odoo.call("iot.alert", "action_acknowledge", [critical])
    odoo.call("iot.alert", "write", [mild], {"severity": "critical"})
    eventually(lambda: told() == [(critical, "The tank is warm"), (mild, "The tank is lukewarm")], told)
    assert {message["farm_id"] for message in heard(listener, ALERTS)} == {farm.code}
