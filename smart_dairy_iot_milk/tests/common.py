"""A farm with a meter and cows, and the messages of a milking as the bridge puts them into the inbox."""

from datetime import datetime, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from psycopg2 import sql

from odoo.tests.common import TransactionCase

TAG = "8000F9DCBE991A14"
PRINTED_TAG = "999 123456789012"
OTHER_TAG = "8000F9DCBE991A15"
#: 05:30 in the morning in Amsterdam, on the day before midnight's other side in UTC + 14.
START = datetime(2026, 3, 1, 4, 30)


def migrate(env, version, name):
    """Run an update's script: `migrations/{version}/{name}.py`."""
    env.flush_all()
    path = Path(__file__).parents[1] / "migrations" / version / f"{name}.py"
    spec = spec_from_file_location(name.replace("-", "_"), path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.migrate(env.cr, version)
    env.invalidate_all()


class MilkCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.farm = cls.env["farm.location"].create({"name": "Farm", "code": "milk-test", "tz": "Europe/Amsterdam"})
        cls.cow = cls.env["farm.animal"].create({"name": "17", "farm_id": cls.farm.id, "rfid_tag": PRINTED_TAG})
        cls.meter = cls.make_meter("MM-1")

    @classmethod
    def make_meter(cls, device_id, **values):
        return cls.env["iot.milk_meter"].create(
            {
                "name": f"Meter {device_id}",
                "device_id": device_id,
                "farm_id": cls.farm.id,
                "manufacturer": "delaval",
                "communication_type": "mqtt",
                **values,
            }
        )

    def message(self, seconds, liters, meter=None, transport=None, **payload):
        """Put a message into the inbox: `liters` were milked `seconds` after the start.

        `session_id=None` leaves it out; `quality` and the like are given as in the payload.

        :param transport: how it came in, see `bridge.messages`
        """
        meter = meter or self.meter
        timestamp = START + timedelta(seconds=seconds)
        content = {
            "device_id": meter.device_id,
            "timestamp": f"{timestamp.isoformat()}Z",
            "session_id": "s1",
            "yield_liters": liters,
            "duration_seconds": seconds,
            **payload,
        }
        self.env["iot.inbox"]._put(
            "milk_meter_data",
            meter.iot_device_id.id,
            timestamp,
            {name: value for name, value in content.items() if value is not None},
            payload.get("channel", 0),
            transport=transport,
        )

    def milking_at(self, seconds, liters=12.0, length=300, meter=None, end=True, **payload):
        """A milking that began `seconds` after the start, in three messages with a clock; returns its session.

        :param end: whether the meter tells of its end
        """
        payload = {"rfid_tag": TAG, **payload}
        for share in (0.1, 0.5, 1.0):
            into = round(length * share)
            self.message(
                seconds + into,
                liters * share,
                meter,
                **{"duration_seconds": into, "milking": not end or share < 1, **payload},
            )
        self.process()
        start = START + timedelta(seconds=seconds)
        return self.sessions(meter).filtered(
            lambda session: session.start_time == start and session.channel == payload.get("channel", 0)
        )

    def store_reading(self, seconds, meter=None, **values):
        """Put a reading into the telemetry, as the bridge does."""
        timestamp = START + timedelta(seconds=seconds)
        row = {
            "iot_device_id": (meter or self.meter).iot_device_id.id,
            "farm_id": self.farm.id,
            "timestamp": timestamp,
            "received_at": timestamp,
            "channel": 0,
            "in_maintenance": False,
            **values,
        }
        self.env.cr.execute(
            sql.SQL("INSERT INTO milk_production_realtime ({}) VALUES %s").format(
                sql.SQL(", ").join(map(sql.Identifier, row))
            ),
            [tuple(row.values())],
        )

    def process(self):
        """React to what is in the inbox; nothing may fail."""
        self.env["iot.inbox"].process()
        failed = self.env["iot.inbox"].search([("error", "!=", False)])
        self.assertFalse(failed, failed.mapped("error"))

    def milk(self, liters=12.0, meter=None, **payload):
        """A whole milking of five minutes in three messages; returns its session."""
        payload = {"rfid_tag": TAG, **payload}
        self.message(10, liters / 10, meter, **payload)
        self.message(150, liters / 2, meter, **payload)
        self.message(300, liters, meter, milking=False, **payload)
        self.process()
        return self.sessions(meter)[:1]

    def sessions(self, meter=None):
        return self.env["milk.session"].search([("meter_id", "=", (meter or self.meter).id)])

    def published(self, event="session_complete"):
        entries = self.env["iot.outbox"].search([("payload", "like", event)])
        return entries.filtered(
            lambda entry: entry.topic == f"dairy/milk-test/milk_meters/{self.meter.device_id}/events"
        )
