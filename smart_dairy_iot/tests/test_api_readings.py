"""What a device measured is given out in time's order, whole, and to those alone who may see it."""

import csv
import io
from datetime import datetime, timedelta
from unittest.mock import patch

from odoo.tests import tagged

from ..bridge.devices import DeviceCache
from ..bridge.messages import Accepted, Message
from ..bridge.store import Store
from ..controllers.api import readings
from .api import ApiCase

T = datetime(2026, 3, 1, 6)
PATH = "/devices/T-1/readings"
SPAN = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-03T00:00:00Z"}


@tagged("post_install", "-at_install")
class TestApiReadings(ApiCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = Store(cls.env["iot.settings"]._telemetry_specs())

    def setUp(self):
        super().setUp()
        self.device = self.new_device("T-1")
        self.own = self.basic(self.device, self.provision(self.device))

    def measure(self, device, *readings):
        """Store readings: (time, values), or (time, values, channel)."""
        self.env.flush_all()
        devices = DeviceCache()
        devices.reload(self.env.cr)
        known = devices.get(device.device_id)
        self.store.write_batch(
            self.env.cr,
            [
                Accepted(Message("topic", b"{}", moment), known, "data", moment, *(channel or [0]), values)
                for moment, values, *channel in readings
            ],
        )

    def ask(self, caller="user", path=PATH, headers=None, **query):
        return self.call("GET", path, caller, params={**SPAN, **query}, headers=headers)

    def read(self, caller="user", **query):
        response = self.ask(caller, **query)
        self.assertEqual(response.status_code, 200, response.text)
        return response.json()

    def csv_rows(self, **query):
        response = self.ask(format="csv", **query)
        self.assertEqual((response.status_code, response.headers["Content-Type"]), (200, "text/csv; charset=utf-8"))
        return list(csv.DictReader(io.StringIO(response.text)))

    def test_raw_readings_come_in_the_order_of_time_with_all_that_was_measured(self):
        late = T + timedelta(milliseconds=1500)
        self.measure(
            self.device, (late, {"temperature": 5.5, "location": "Tank"}), (T, {"temperature": 4, "humidity": 80})
        )
        body = self.read(metrics="temperature,humidity,location")
        self.assertEqual((body["device_id"], body["resolution"], body["count"]), ("T-1", "raw", 2))
        self.assertEqual((body["from"], body["to"]), (SPAN["from"], SPAN["to"]))
        base = {"channel": 0, "in_maintenance": False}
        self.assertEqual(
            body["readings"],
            [
                {"timestamp": "2026-03-01T06:00:00Z", "temperature": 4, "humidity": 80, "location": None, **base},
                {
                    "timestamp": "2026-03-01T06:00:01.500000Z",
                    "temperature": 5.5,
                    "humidity": None,
                    "location": "Tank",
                    **base,
                },
            ],
        )

    def test_the_span_has_its_beginning_and_not_its_end(self):
        self.measure(self.device, *((T + timedelta(hours=number), {"temperature": number}) for number in range(4)))
        body = self.read(**{"from": "2026-03-01T08:00:00+01:00", "to": "2026-03-01T09:00:00Z"})
        self.assertEqual([reading["temperature"] for reading in body["readings"]], [1, 2])

    def test_hours_and_days_are_summed_up_and_the_one_in_which_the_span_begins_is_there(self):
        self.measure(
            self.device,
            (T, {"temperature": 2.0}),
            (T + timedelta(minutes=30), {"temperature": 6.0, "humidity": 70}),
            (T + timedelta(hours=1), {"temperature": 9.0}),
            (T + timedelta(days=1), {"temperature": -1.0}),
        )
        hours = self.read(resolution="hour", **{"from": "2026-03-01T06:15:00Z"})
        self.assertEqual(hours["metrics"], ["temperature", "humidity", "energy_wh"])
        self.assertEqual(
            hours["readings"][0],
            {
                "timestamp": "2026-03-01T06:00:00Z",
                "readings": 2,
                "temperature": {"count": 2, "mean": 4.0, "min": 2.0, "max": 6.0},
                "humidity": {"count": 1, "mean": 70.0, "min": 70.0, "max": 70.0},
                "energy_wh": {"count": 0, "mean": None, "min": None, "max": None},
            },
        )
        self.assertEqual(hours["count"], 3)
        days = self.read(resolution="day", metrics="temperature")
        self.assertEqual([day["readings"] for day in days["readings"]], [3, 1])
        self.assertEqual(days["readings"][1]["temperature"]["mean"], -1.0)
        self.assertNotIn("humidity", days["readings"][0])

    def test_the_pages_together_are_the_whole_each_reading_once(self):
        # Five of one instant, told apart by their channels, across the pages' ends.
        self.measure(self.device, *((T, {"temperature": channel}, channel) for channel in range(5)))
        self.measure(self.device, *((T + timedelta(hours=number), {"temperature": number}) for number in range(5, 9)))
        for resolution, count in (("raw", 9), ("hour", 5)):
            found, cursor, pages = [], {}, 0
            while cursor is not None:
                body = self.read(resolution=resolution, limit=2, **cursor)
                found += body["readings"]
                cursor = {"cursor": body["next_cursor"]} if body["next_cursor"] else None
                pages += 1
            self.assertEqual(pages, (count + 1) // 2)
            self.assertEqual(found, self.read(resolution=resolution)["readings"])
            self.assertEqual(len(found), count)

    def test_csv_is_the_whole_span_however_many_pieces_it_is_sent_in(self):
        self.measure(self.device, *((T, {"temperature": channel / 2}, channel) for channel in range(7)))
        with patch.object(readings, "CSV_PAGE", 3):
            rows = self.csv_rows()
        self.assertEqual([float(row["temperature"]) for row in rows], [channel / 2 for channel in range(7)])
        self.assertEqual({row["timestamp"] for row in rows}, {"2026-03-01T06:00:00Z"})
        self.assertEqual((rows[0]["in_maintenance"], rows[0]["humidity"]), ("false", ""))
        hours = self.csv_rows(resolution="hour", metrics="temperature")
        self.assertEqual(
            hours,
            [
                {
                    "timestamp": "2026-03-01T06:00:00Z",
                    "readings": "7",
                    "temperature_count": "7",
                    "temperature_mean": "1.5",
                    "temperature_min": "0.0",
                    "temperature_max": "3.0",
                }
            ],
        )

    def test_csv_of_more_than_can_be_sent_is_refused_before_anything_is(self):
        self.measure(self.device, *((T, {"temperature": channel}, channel) for channel in range(4)))
        with patch.object(readings, "MOST_IN_CSV", 4):
            self.assertEqual(len(self.csv_rows()), 4)
        with patch.object(readings, "MOST_IN_CSV", 3):
            self.assertError(self.ask(format="csv"), 400, "invalid_request")
            self.assertEqual(len(self.csv_rows(resolution="hour")), 1)

    def test_csv_comes_to_who_accepts_it_first_and_json_to_all_others(self):
        for accept, expected in (
            ("text/csv", "text/csv; charset=utf-8"),
            ("text/csv;q=0.5, application/json", "application/json; charset=utf-8"),
            ("*/*", "application/json; charset=utf-8"),
            ("text/html", "application/json; charset=utf-8"),
        ):
            response = self.ask(headers={"Accept": accept})
            self.assertEqual(response.headers["Content-Type"], expected, accept)
        response = self.ask(headers={"Accept": "text/csv"}, format="json")
        self.assertTrue(response.json()["success"])

    def test_a_spreadsheet_takes_no_text_of_a_device_for_a_formula(self):
        self.measure(self.device, (T, {"temperature": -4.5, "location": '=HYPERLINK("http://x")'}))
        (row,) = self.csv_rows()
        self.assertEqual((row["temperature"], row["location"]), ("-4.5", '\'=HYPERLINK("http://x")'))
        self.assertEqual(self.read()["readings"][0]["location"], '=HYPERLINK("http://x")')

    def test_who_asks_for_what_there_is_not_is_told_so(self):
        for query in (
            {"from": "yesterday"},
            {"from": "2026-03-01T00:00:00"},
            {"to": "9999-12-31T23:59:59-12:00"},
            {"to": "0001-01-01T00:00:00Z", "from": "0001-01-01T00:00:00Z"},
            {"from": SPAN["to"], "to": SPAN["from"]},
            {"resolution": "minute"},
            {"metrics": "temperature,nothing"},
            {"metrics": "temperature,temperature"},
            {"metrics": "location", "resolution": "hour"},
            {"metrics": ""},
            {"limit": 0},
            {"limit": 5001},
            {"cursor": "x"},
            {"cursor": "2026-03-01T00:00:00"},
            {"cursor": "2026-03-01T00:00:00~99999"},
            {"cursor": "2026-03-01T00:00:00+00:00~1"},
            {"format": "xml"},
            {"format": "csv", "limit": 5},
        ):
            self.assertError(self.ask(**query), 400, "invalid_request")
        response = self.call("GET", PATH, "user", params={"to": "0001-01-01T00:00:00Z"})
        self.assertError(response, 400, "invalid_request")

    def test_without_a_span_it_is_the_last_day(self):
        now = datetime.utcnow()
        self.measure(
            self.device,
            (now - timedelta(hours=25), {"temperature": 1}),
            (now - timedelta(hours=23), {"temperature": 2}),
        )
        body = self.call("GET", PATH, "user").json()
        self.assertEqual([reading["temperature"] for reading in body["readings"]], [2])

    def test_a_device_reads_its_own_and_no_other(self):
        self.measure(self.device, (T, {"temperature": 4}))
        for resolution in ("raw", "hour", "day"):
            self.assertEqual(self.read(self.own, resolution=resolution)["count"], 1)
        self.new_device("T-2")
        self.assertError(self.ask(self.own, path="/devices/T-2/readings"), 404, "not_found")

    def test_a_farm_that_a_user_does_not_see_has_no_readings_for_him(self):
        hidden = self.new_device("V-1", farm=self.valley, user=self.admin)
        self.measure(hidden, (T, {"temperature": 4}))
        self.assertError(self.ask(path="/devices/V-1/readings"), 404, "not_found")
        self.assertEqual(self.ask("admin", path="/devices/V-1/readings").json()["count"], 1)

    def test_what_a_device_measured_on_another_farm_stays_that_farm_s(self):
        self.device.with_user(self.admin).farm_id = self.valley
        self.measure(self.device, (T, {"temperature": 1}), (T + timedelta(hours=1), {"temperature": 2}))
        self.device.with_user(self.admin).farm_id = self.hill
        self.measure(
            self.device, (T + timedelta(minutes=90), {"temperature": 3}), (T + timedelta(hours=2), {"temperature": 4})
        )
        self.assertEqual([row["temperature"] for row in self.read()["readings"]], [3, 4])
        self.assertEqual([float(row["temperature"]) for row in self.csv_rows()], [3, 4])
        # The hour of the move is of both farms.
        self.assertEqual(
            [row["timestamp"] for row in self.read(resolution="hour")["readings"]], ["2026-03-01T08:00:00Z"]
        )
        self.assertEqual(self.read("admin", resolution="hour")["count"], 2)
        self.assertEqual(self.read(self.own, resolution="hour")["count"], 3)
