"""Readings leave as files: whole, exact, and only those that the user may see."""

import csv
import io
from datetime import datetime, timedelta
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from odoo.exceptions import ValidationError
from odoo.tests import HttpCase, tagged

from ..bridge.devices import DeviceCache
from ..bridge.messages import Accepted, Message
from ..bridge.store import Store
from ..controllers import telemetry_export
from .common import IotCase

T = datetime(2026, 3, 1, 6, 0, 0, 250000)
SPAN = {"since": "2026-03-01T00:00:00", "until": "2026-03-02T00:00:00"}


@tagged("post_install", "-at_install")
class TestTelemetryExport(HttpCase, IotCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hill_sensor = cls.new_sensor("TS-H", cls.hill)
        cls.valley_sensor = cls.new_sensor("TS-V", cls.valley)

    @classmethod
    def new_sensor(cls, device_id, farm):
        values = {"name": device_id, "device_id": device_id, "device_type": "temperature", "farm_id": farm.id}
        return cls.env["iot.device"].create(values)

    def setUp(self):
        super().setUp()
        self.env.flush_all()
        devices = DeviceCache()
        devices.reload(self.env.cr)
        readings = [
            (self.hill_sensor, T + timedelta(minutes=1), {"temperature": 5.5, "location": "=1+1"}),
            (self.hill_sensor, T, {"temperature": 4.2, "humidity": 80}),
            (self.valley_sensor, T, {"temperature": -3.25}),
            (self.hill_sensor, T + timedelta(days=1), {"temperature": 9}),
        ]
        Store(self.env["iot.settings"]._telemetry_specs()).write_batch(
            self.env.cr,
            [
                Accepted(Message("topic", b"{}", moment), devices.get(device.device_id), "data", moment, 0, values)
                for device, moment, values in readings
            ],
        )

    def export(self, login="iot_manager", **changes):
        self.authenticate(login, login)
        asked = {"kind": "iot.temperature.reading", **SPAN, "file_format": "csv", **changes}
        return self.url_open("/iot/telemetry/export?" + "&".join(f"{key}={value}" for key, value in asked.items()))

    def lines(self, response):
        self.assertEqual(response.status_code, 200, response.text)
        return list(csv.DictReader(io.StringIO(response.text)))

    def test_a_csv_file_has_the_readings_of_the_span_in_the_order_of_time_with_all_their_digits(self):
        response = self.export()
        self.assertIn("iot_temperature_reading_20260301_20260302.csv", response.headers["Content-Disposition"])
        first, second = self.lines(response)
        self.assertEqual((first["timestamp"], first["device_id"]), ("2026-03-01T06:00:00.250000Z", "TS-H"))
        self.assertEqual((first["farm_code"], first["temperature"], first["humidity"]), ("HILL", "4.2", "80.0"))
        self.assertEqual((first["in_maintenance"], first["location"]), ("false", ""))
        self.assertEqual(second["location"], "'=1+1", "no formula")

    def test_everybody_gets_the_readings_of_his_farms_and_whoever_wants_those_of_one_alone(self):
        self.assertEqual({line["device_id"] for line in self.lines(self.export())}, {"TS-H"})
        self.assertEqual({line["device_id"] for line in self.lines(self.export("iot_admin"))}, {"TS-H", "TS-V"})
        only = self.export("iot_admin", farm=self.valley.id)
        self.assertEqual([line["temperature"] for line in self.lines(only)], ["-3.25"])
        self.assertEqual(self.lines(self.export(farm=self.valley.id)), [])

    def test_pages_follow_one_another_without_gap_or_repetition(self):
        whole = self.lines(self.export("iot_admin"))
        with patch.object(telemetry_export, "PAGE", 1):
            self.assertEqual(self.lines(self.export("iot_admin")), whole)
        self.assertEqual(len(whole), 3)

    def test_a_parquet_file_has_the_same_in_its_own_types(self):
        # Of requirements-dev.txt: the product does without it.
        import pyarrow.parquet

        with patch.object(telemetry_export, "PAGE", 2):
            response = self.export("iot_admin", file_format="parquet")
        table = pyarrow.parquet.read_table(io.BytesIO(response.content))
        self.assertEqual(
            [str(table.schema.field(name).type) for name in ("timestamp", "device_id", "temperature", "channel")],
            ["timestamp[us, tz=UTC]", "string", "float", "int16"],
        )
        rows = table.to_pylist()
        self.assertEqual([row["timestamp"].replace(tzinfo=None) for row in rows], [T, T, T + timedelta(minutes=1)])
        self.assertEqual([row["location"] for row in rows], [None, None, "=1+1"], "as it was sent")

    def test_users_and_nonsense_are_refused(self):
        self.assertEqual(self.export("iot_user").status_code, 403)
        for changes in (
            {"kind": "res.users"},
            {"kind": ""},
            {"since": "yesterday"},
            {"since": "2026-03-01T00:00:00%2B00:00"},
            {"file_format": "xls"},
            {"farm": "one"},
        ):
            with self.subTest(changes=changes):
                self.assertEqual(self.export(**changes).status_code, 400)

    def test_more_than_can_be_sent_in_one_go_is_refused_and_not_cut_off(self):
        with patch.object(telemetry_export, "MOST_IN_FILE", 2):
            self.assertEqual(self.export().status_code, 200)
            self.assertEqual(self.export("iot_admin").status_code, 400)

    def test_the_wizard_leads_to_the_file(self):
        wizard = self.env["iot.telemetry.export.wizard"].with_user(self.manager)
        span = {name: text.replace("T", " ") for name, text in SPAN.items()}
        wizard = wizard.create({"kind": "iot.temperature.reading", **span})
        action = wizard.action_export()
        self.assertEqual(action["type"], "ir.actions.act_url")
        asked = {key: value for key, (value,) in parse_qs(urlsplit(action["url"]).query).items()}
        self.assertEqual(asked["since"], SPAN["since"])
        self.authenticate("iot_manager", "iot_manager")
        self.assertEqual(len(self.lines(self.url_open(action["url"]))), 2)
        with self.assertRaises(ValidationError):
            wizard.until = wizard.since
