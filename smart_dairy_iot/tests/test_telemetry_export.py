"""Readings leave as files: whole, exact, and only those that the user may see."""

import argparse
import contextlib
import csv
import io
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from freezegun import freeze_time

from odoo.exceptions import UserError, ValidationError
from odoo.tests import HttpCase, tagged

from ..bridge.devices import DeviceCache
from ..bridge.messages import Accepted, Message
from ..bridge.store import Store
from ..cli import iot_store
from ..controllers import telemetry_export
from ..models import iot_telemetry_export
from ..models.iot_telemetry_export import ExportSpan
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

    def wizard(self, user, **changes):
        span = {name: text.replace("T", " ") for name, text in SPAN.items()}
        wizard = self.env["iot.telemetry.export.wizard"].with_user(user)
        return wizard.create({"kind": "iot.temperature.reading", **span, **changes})

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
            {"farm": "99999999999"},
            {"farm": "0"},
            {"since": SPAN["until"], "until": SPAN["since"]},
            {"since": SPAN["until"]},
        ):
            with self.subTest(changes=changes):
                self.assertEqual(self.export(**changes).status_code, 400)

    def test_more_than_can_be_sent_in_one_go_is_refused_and_not_cut_off(self):
        with patch.object(iot_telemetry_export, "MOST_IN_FILE", 2):
            self.assertEqual(self.export().status_code, 200)
            self.assertEqual(self.export("iot_admin").status_code, 400)
            self.wizard(self.manager).action_export()
            with self.assertRaisesRegex(UserError, "more than 2 readings"):
                self.wizard(self.admin).action_export()

    def test_the_wizard_says_that_there_is_nothing_to_export_and_gives_no_empty_file(self):
        for changes in (
            {"kind": "iot.activity.reading"},
            {"since": "2027-03-01 00:00:00", "until": "2027-03-02 00:00:00"},
            {"farm_id": self.valley.id},
        ):
            with self.subTest(changes=changes), self.assertRaisesRegex(UserError, "no such readings"):
                self.wizard(self.manager, **changes).action_export()

    def test_the_wizard_leads_to_the_file(self):
        wizard = self.wizard(self.manager)
        action = wizard.action_export()
        self.assertEqual(action["type"], "ir.actions.act_url")
        asked = {key: value for key, (value,) in parse_qs(urlsplit(action["url"]).query).items()}
        self.assertEqual(asked["since"], SPAN["since"])
        self.authenticate("iot_manager", "iot_manager")
        self.assertEqual(len(self.lines(self.url_open(action["url"]))), 2)
        with self.assertRaises(ValidationError):
            wizard.until = wizard.since

    def test_the_wizard_proposes_the_last_month_of_the_users_time_zone(self):
        wizard = self.env["iot.telemetry.export.wizard"]
        months = {
            ("UTC", "2026-04-01 03:00:00"): (datetime(2026, 3, 1), datetime(2026, 4, 1)),
            ("Europe/Berlin", "2026-04-15 00:00:00"): (datetime(2026, 2, 28, 23), datetime(2026, 3, 31, 22)),
            ("America/New_York", "2026-04-01 03:00:00"): (datetime(2026, 2, 1, 5), datetime(2026, 3, 1, 5)),
        }
        for (tz, now), month in months.items():
            with self.subTest(tz), freeze_time(now):
                self.assertEqual(wizard.with_context(tz=tz)._month(), month)

    def write_file(self, file):
        """By the command, as far as it goes without a server of its own; the sentence with which it ends, or None."""
        since, until = map(datetime.fromisoformat, SPAN.values())
        options = argparse.Namespace(
            kind="iot.temperature.reading", since=since, until=until, farm=self.hill.code, file=file
        )
        with contextlib.redirect_stdout(io.StringIO()):
            return iot_store._export(self.registry, options)

    def test_the_command_has_no_transaction_open_beside_that_of_the_page_it_reads(self):
        opened, seen = [], []
        new_cursor, read_page = self.registry.cursor, type(self.env["iot.telemetry.mixin"])._export_page

        def cursor(*arguments, **options):
            opened.append(new_cursor(*arguments, **options))
            return opened[-1]

        def page(readings, *arguments):
            seen.append([one for one in opened if not one._closed] == [readings.env.cr])
            return read_page(readings, *arguments)

        with (
            tempfile.TemporaryDirectory() as directory,
            patch.object(self.registry, "cursor", cursor),
            patch.object(type(self.env["iot.telemetry.mixin"]), "_export_page", page),
            patch.object(iot_telemetry_export, "PAGE", 1),
        ):
            file = Path(directory) / "day.csv"
            self.assertIsNone(self.write_file(file))
            self.assertEqual(len(file.read_text().splitlines()), 3)
        self.assertEqual(seen, [True, True, True])

    def test_a_file_that_another_run_writes_or_has_written_meanwhile_is_left_alone(self):
        span = ExportSpan(*map(datetime.fromisoformat, SPAN.values()))
        readings = self.env["iot.temperature.reading"]

        def pieces(*_arguments):
            yield b"ours"
            done.write_text("theirs")

        with tempfile.TemporaryDirectory() as directory:
            done, unfinished = Path(directory) / "day.csv", Path(directory) / "day.csv.part"
            unfinished.write_text("theirs")
            with self.assertRaises(FileExistsError):
                readings._export_to(span, "csv", done)
            self.assertEqual((unfinished.read_text(), done.exists()), ("theirs", False))
            unfinished.unlink()
            with patch.object(iot_telemetry_export, "pieces", pieces), self.assertRaises(FileExistsError):
                readings._export_to(span, "csv", done)
            self.assertEqual((done.read_text(), unfinished.exists()), ("theirs", False))

    def test_a_span_in_which_nothing_can_be_is_a_mistake_and_no_empty_archive(self):
        day = datetime(2026, 3, 1)
        for until, farm_id in ((day, None), (day - timedelta(days=1), None), (day + timedelta(days=1), 0)):
            with self.subTest(until=until, farm_id=farm_id), self.assertRaises(ValueError):
                ExportSpan(day, until, farm_id)
