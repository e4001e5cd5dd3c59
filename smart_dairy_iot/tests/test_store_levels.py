"""The tables of readings hold the same on every level, and lose nothing on the way up.

The server of the tests has TimescaleDB's Apache edition; the level `plain` is made on it by asking for it. What a
server without TimescaleDB does is tested in tests/integration/test_store_levels.py.
"""

import contextlib
import math
from datetime import datetime, timedelta
from unittest.mock import patch

import psycopg2
from freezegun import freeze_time
from psycopg2.errors import DependentObjectsStillExist, UniqueViolation

from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger

from ..bridge.batches import BatchWriter
from ..bridge.devices import DeviceCache
from ..bridge.messages import Accepted, Message
from ..bridge.store import Store
from ..telemetry import conversion, levels, partitions
from ..telemetry.conversion import ConversionError, convert, has_more_to_copy
from ..telemetry.levels import APACHE, COMMUNITY, ORDINARY, PLAIN, detect, is_above, level_of
from ..telemetry.retention import drop_old, prepare
from ..telemetry.spec import Column, TelemetrySpec
from ..telemetry.tables import column_types, create_table, drop_tables, ensure_table, physical_table
from .common import IotCase
from .shared_connection import SharedConnection

T = datetime(2026, 3, 4, 6)  # a Wednesday
WEEK = timedelta(days=7)
TABLE = "iot_probe_reading"
SPEC = TelemetrySpec(
    "iot.probe.reading",
    TABLE,
    ("temperature",),
    (Column("level", "real", "level"), Column("place", "text", "place"), Column("far", "double precision", "far")),
    ("level",),
)


class _Decoder:
    """Takes every message as the reading that it is."""

    def doubtful(self, _messages):
        return ()

    def decode(self, message):
        return message.topic


class StoreCase(IotCase):
    """A table of its own, and a device to write for."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.device = cls.env["iot.device"].create(
            {"name": "TS", "device_id": "TS-LEVEL", "device_type": "temperature", "farm_id": cls.hill.id}
        )
        cls.env.flush_all()
        devices = DeviceCache()
        devices.reload(cls.env.cr)
        cls.known = devices.get("TS-LEVEL")

    def setUp(self):
        super().setUp()
        # A hypertable is made where the extension is: here.
        self.assertEqual(detect(self.env.cr), APACHE)

    def reading(self, moment, channel=0, **values):
        return Accepted(Message("topic", b"{}", moment), self.known, "data", moment, channel, values)

    def write(self, *readings, spec=SPEC):
        """Write as the bridge does; returns the outcomes."""
        outcomes = []
        messages = [Message(reading, b"{}", reading.timestamp) for reading in readings]
        connection = SharedConnection(self.env.cr)
        with mute_logger("odoo.sql_db"):
            for _results, names in BatchWriter(_Decoder(), Store([spec])).write(connection, [messages]):
                outcomes += names
        connection.close()
        return outcomes

    def rows(self, statement, *parameters):
        self.env.cr.execute(statement, parameters or None)
        return self.env.cr.fetchall()

    def make(self, level, *readings):
        """The table on a level, with readings in it."""
        if level == ORDINARY:
            self.make(APACHE)
            self.env.cr.execute(f"CREATE TABLE moved (LIKE {TABLE} INCLUDING IDENTITY)")
            drop_tables(self.env.cr, SPEC)
            self.env.cr.execute(f"ALTER TABLE moved RENAME TO {TABLE}")
            self.env.cr.execute(f"CREATE UNIQUE INDEX {TABLE}_key_idx ON {TABLE} (iot_device_id, timestamp, channel)")
        else:
            create_table(self.env.cr, SPEC, level)
        ensure_table(self.env.cr, SPEC)
        self.write(*readings)
        self.assertEqual(level_of(self.env.cr, TABLE), level)

    def rollups(self):
        return self.rows(
            f"SELECT bucket, readings, level_count, level_sum, level_min, level_max FROM {TABLE}_hourly ORDER BY 1"
        )


@tagged("post_install", "-at_install")
class TestPlainLevel(StoreCase, TransactionCase):
    def partitions(self):
        return [begin for _name, begin, _end in partitions.partitions(self.env.cr, TABLE)]

    def test_a_reading_is_written_and_read_through_the_view_and_its_redelivery_is_a_duplicate(self):
        self.make(PLAIN)
        readings = [self.reading(T, level=4.2, place="pit"), self.reading(T, level=4.2)]
        self.assertEqual(self.write(*readings), ["stored", "duplicate"])
        self.assertEqual(self.write(readings[0]), ["duplicate"])
        self.assertEqual(self.rows(f"SELECT timestamp, level, place FROM {TABLE}"), [(T, 4.2, "pit")])
        self.assertTrue(self.rows(f"SELECT id FROM {TABLE} WHERE id > 0"))

    def test_late_readings_make_room_for_themselves_and_the_rollups_are_exact(self):
        self.make(PLAIN)
        late = T - 60 * WEEK
        self.assertEqual(self.write(self.reading(T, level=1), self.reading(late, level=4.2)), ["stored"] * 2)
        self.assertEqual(
            self.write(self.reading(late + timedelta(minutes=5), level=0.1), self.reading(late, level=9)),
            ["stored", "duplicate"],
        )
        self.assertIn(late - timedelta(days=2, hours=6), self.partitions())
        self.assertEqual(self.rollups(), [(late, 2, 2, 4.3, 0.1, 4.2), (T, 1, 1, 1, 1, 1)])

    def test_a_late_reading_whose_week_somebody_has_detached_is_a_dead_letter_and_the_others_are_stored(self):
        self.make(PLAIN, self.reading(T, level=1))
        late, later = T - 60 * WEEK, T - 50 * WEEK
        self.write(self.reading(late, level=2))
        parent = partitions.partitioned_table(TABLE)
        name = f"{TABLE}_{partitions.week_of(late):%Y%m%d}"
        self.env.cr.execute(f"ALTER TABLE {parent} DETACH PARTITION {name}")
        hour = timedelta(hours=1)
        outcomes = [self.write(self.reading(moment)) for moment in (T + hour, late + hour, later)]
        self.assertEqual(outcomes, [["stored"], ["dead_letter"], ["stored"]])
        ((reason, detail),) = self.rows("SELECT reason, detail FROM iot_dead_letter")
        self.assertEqual(reason, "database")
        self.assertIn("no partition", detail)

    def test_a_partition_that_overlaps_the_week_of_a_late_reading_makes_it_a_dead_letter(self):
        self.make(PLAIN, self.reading(T))
        late = T - 60 * WEEK
        day = datetime(late.year, late.month, late.day)  # in the middle of its week
        self.env.cr.execute(
            f"CREATE TABLE odd PARTITION OF {partitions.partitioned_table(TABLE)} FOR VALUES FROM (%s) TO (%s)",
            [day, day + timedelta(days=1)],
        )
        outcomes = [self.write(self.reading(moment)) for moment in (late, late + timedelta(days=1))]
        self.assertEqual(outcomes, [["stored"], ["dead_letter"]])

    def test_nothing_takes_up_what_has_no_partition(self):
        self.make(PLAIN, self.reading(T))
        found = self.rows(
            "SELECT pg_get_expr(relpartbound, oid) FROM pg_class"
            " WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = %s::regclass)",
            partitions.partitioned_table(TABLE),
        )
        self.assertTrue(found)
        self.assertNotIn(("DEFAULT",), found)

    def test_what_the_database_refuses_for_another_reason_makes_no_room_and_is_a_dead_letter(self):
        self.make(PLAIN, self.reading(T))
        before = self.partitions()
        parent = partitions.partitioned_table(TABLE)
        self.env.cr.execute(f"ALTER TABLE {parent} ADD CONSTRAINT cold CHECK (level < 50)")
        self.assertEqual(self.write(self.reading(T + timedelta(hours=1), level=60)), ["dead_letter"])
        self.assertEqual(self.partitions(), before)

    def test_weeks_are_made_ahead_and_dropped_once_all_of_them_is_too_old(self):
        self.make(PLAIN, *(self.reading(T - number * WEEK, level=number) for number in (0, 1, 2, 3)))
        prepare(self.env.cr, TABLE, T)
        dropped = drop_old(self.env.cr, TABLE, T, days=7)
        monday = datetime(2026, 3, 2)
        self.assertEqual(dropped, [f"{TABLE}_20260209", f"{TABLE}_20260216"])
        self.assertEqual(self.rows(f"SELECT level FROM {TABLE} ORDER BY 1"), [(0,), (1,)])
        ahead = [begin for begin in self.partitions() if monday <= begin <= T + 5 * WEEK]
        self.assertEqual(ahead, [monday + number * WEEK for number in range(5)])
        self.assertEqual(drop_old(self.env.cr, TABLE, T, days=7), [])
        self.assertEqual(len(self.rollups()), 4, "rollups are kept")

    def test_a_column_that_is_added_later_is_seen_through_the_view(self):
        self.make(PLAIN, self.reading(T, level=1))
        more = TelemetrySpec(SPEC.model, TABLE, SPEC.device_types, (*SPEC.columns, Column("dew", "real", "dew")))
        ensure_table(self.env.cr, more)
        self.write(self.reading(T + WEEK, level=2, dew=9.5), spec=more)
        self.assertEqual(self.rows(f"SELECT dew FROM {TABLE} ORDER BY timestamp"), [(None,), (9.5,)])

    def test_the_orm_reads_groups_and_guards_a_model_on_it_as_any_other(self):
        spec = self.env["iot.temperature.reading"]._telemetry_spec()
        drop_tables(self.env.cr, spec)
        create_table(self.env.cr, spec, PLAIN)
        ensure_table(self.env.cr, spec)
        outcomes = self.write(self.reading(T, temperature=4.2), self.reading(T + WEEK, temperature=5.4), spec=spec)
        self.assertEqual(outcomes, ["stored"] * 2)
        self.env["iot.temperature.reading"].init()
        readings = self.env["iot.temperature.reading"].with_user(self.user)
        domain = [("iot_device_id", "=", self.device.id)]
        self.assertEqual(readings.search(domain).mapped("temperature"), [5.4, 4.2])
        self.assertEqual(
            readings._read_group(domain, ["farm_id"], ["temperature:max", "__count"]), [(self.hill, 5.4, 2)]
        )
        self.device.farm_id = self.valley
        self.env.cr.execute("UPDATE iot_temperature_reading SET farm_id = %s", [self.valley.id])
        self.env.invalidate_all()
        self.assertFalse(readings.search(domain))
        self.assertIn(
            ("iot_temperature_reading",),
            self.rows("SELECT relname FROM pg_class WHERE relkind IN ('r', 'v', 'm')"),
            "the ORM looks for its tables among those",
        )

    def test_dropping_leaves_nothing(self):
        self.make(PLAIN, self.reading(T, level=1))
        drop_tables(self.env.cr, SPEC)
        self.assertEqual(self.rows("SELECT relname FROM pg_class WHERE relname LIKE %s", f"{TABLE}%"), [])


@tagged("post_install", "-at_install")
class TestDetection(StoreCase, TransactionCase):
    def test_the_extension_that_is_there_is_used_by_a_role_that_could_not_make_it(self):
        self.assertTrue(levels._is_available(self.env.cr))
        self.env.cr.execute("SELECT format('REVOKE CREATE ON DATABASE %I FROM CURRENT_USER', current_database())")
        ((revoke,),) = self.env.cr.fetchall()
        self.env.cr.execute(revoke)
        self.assertEqual(self.rows(levels._MAY_CREATE), [(False,)])
        self.assertEqual(detect(self.env.cr), APACHE)
        with patch.object(levels, "_CREATED", "SELECT false"):
            self.assertEqual(detect(self.env.cr), PLAIN)


@tagged("post_install", "-at_install")
class TestConversion(StoreCase, TransactionCase):
    READINGS = [(T, 4.2), (T + timedelta(hours=1), 5.5), (T - 30 * WEEK, 0.1)]

    def test_a_table_is_raised_with_every_reading_under_its_id_and_the_rollups_as_they_were(self):
        for before, after in ((ORDINARY, PLAIN), (ORDINARY, APACHE), (PLAIN, APACHE)):
            with self.subTest(before=before, after=after):
                self.make(before, *(self.reading(moment, level=level) for moment, level in self.READINGS))
                everything = f"SELECT id, timestamp, channel, level, farm_id, received_at FROM {TABLE} ORDER BY id"
                kept, rollups = self.rows(everything), self.rollups()
                self.assertEqual(len(kept), 3)
                done = convert(self.env.cr, SPEC, after)
                self.assertEqual((done.before, done.after, done.rows), (before, after, 3))
                self.assertEqual(level_of(self.env.cr, TABLE), after)
                self.assertEqual((self.rows(everything), self.rollups()), (kept, rollups))
                self.assertEqual(
                    self.write(self.reading(T, level=4.2), self.reading(T + 2 * WEEK, level=1)), ["duplicate", "stored"]
                )
                ((newest,),) = self.rows(f"SELECT max(id) FROM {TABLE}")
                self.assertGreater(newest, kept[-1][0])
                self.assertIsNone(convert(self.env.cr, SPEC, after), "a second time there is nothing to do")
                self.assertEqual(self.rows("SELECT relname FROM pg_class WHERE relname LIKE '%_before%'"), [])
                drop_tables(self.env.cr, SPEC)

    def test_an_empty_table_is_raised_too(self):
        self.make(PLAIN)
        self.assertEqual(convert(self.env.cr, SPEC, APACHE).rows, 0)
        self.assertEqual(self.write(self.reading(T, level=1)), ["stored"])

    def test_a_table_is_never_lowered(self):
        self.make(APACHE)
        self.assertIsNone(convert(self.env.cr, SPEC, PLAIN))
        self.assertTrue(is_above(COMMUNITY, APACHE) and is_above(APACHE, PLAIN) and is_above(PLAIN, ORDINARY))

    def test_how_many_readings_have_to_be_copied_is_known_before(self):
        self.make(PLAIN, *(self.reading(moment, level=level) for moment, level in self.READINGS))
        self.assertFalse(has_more_to_copy(self.env.cr, [SPEC], APACHE, 3))
        self.assertTrue(has_more_to_copy(self.env.cr, [SPEC], APACHE, 2))
        self.assertTrue(has_more_to_copy(self.env.cr, [SPEC, SPEC], APACHE, 5))
        convert(self.env.cr, SPEC, APACHE)
        self.assertFalse(has_more_to_copy(self.env.cr, [SPEC], COMMUNITY, 0), "compression is for the server's jobs")

    def test_a_conversion_that_fails_leaves_the_table_as_it_was(self):
        self.make(PLAIN, *(self.reading(moment, level=level) for moment, level in self.READINGS))
        everything = f"SELECT id, timestamp, level FROM {TABLE} ORDER BY id"
        kept = self.rows(everything)
        for failing, error in (("_copy_rows", psycopg2.errors.DiskFull()), ("_count", ConversionError("2 of 3"))):
            with (
                self.subTest(failing=failing),
                patch.object(conversion, failing, side_effect=error),
                self.assertRaises(type(error)),
                self.env.cr.savepoint(),
            ):
                convert(self.env.cr, SPEC, APACHE)
            self.assertEqual((level_of(self.env.cr, TABLE), self.rows(everything)), (PLAIN, kept))
        self.assertEqual(self.write(self.reading(T, level=4.2)), ["duplicate"])

    def test_of_what_could_not_be_converted_a_person_is_told_the_reason_and_what_was_done_before(self):
        store = self.env["iot.telemetry.store"]
        before = [conversion.Conversion("iot_a", PLAIN, APACHE, 3)]
        full = psycopg2.errors.DiskFull("could not extend file: No space left on device\nHINT: Check free disk space.")
        self.assertEqual(
            store._unconverted("iot_b", full, before),
            "iot_b is as it was: could not extend file: No space left on device. Converted before it: iot_a.",
        )
        self.assertIn("is in use", store._unconverted("iot_b", psycopg2.errors.LockNotAvailable(), []))

    def test_a_copy_that_lacks_a_reading_is_refused(self):
        self.make(PLAIN, *(self.reading(moment, level=level) for moment, level in self.READINGS))

        def copy_all_but_one(cr, source, columns, target):
            cr.execute(f"DELETE FROM {source} WHERE level = 5.5")
            copy_rows(cr, source, columns, target)

        copy_rows = conversion._copy_rows
        with (
            patch.object(conversion, "_copy_rows", copy_all_but_one),
            self.assertRaisesRegex(ConversionError, "2 of 3 readings were copied"),
            self.env.cr.savepoint(),
        ):
            convert(self.env.cr, SPEC, APACHE)
        self.assertEqual(len(self.rows(f"SELECT FROM {TABLE}")), 3)

    def test_columns_of_an_addon_that_is_gone_are_carried_over(self):
        self.make(PLAIN)
        self.env.cr.execute(f"ALTER TABLE {TABLE}_partitioned ADD COLUMN old_value integer DEFAULT 7")
        partitions.ensure_view(self.env.cr, TABLE)
        self.write(self.reading(T))
        convert(self.env.cr, SPEC, APACHE)
        self.assertEqual(self.rows(f"SELECT old_value FROM {TABLE}"), [(7,)])

    def test_what_others_were_granted_they_have_afterwards(self):
        for before, after in ((ORDINARY, PLAIN), (ORDINARY, APACHE), (PLAIN, APACHE)):
            with self.subTest(before=before, after=after):
                self.make(before, self.reading(T))
                self.env.cr.execute(f"GRANT SELECT ON {TABLE} TO pg_monitor")
                self.env.cr.execute(f"GRANT SELECT, INSERT ON {TABLE} TO pg_read_all_stats WITH GRANT OPTION")
                granted = self.granted()
                self.assertEqual(len(granted), 3)
                convert(self.env.cr, SPEC, after)
                self.assertEqual(self.granted(), granted)
                drop_tables(self.env.cr, SPEC)

    def granted(self):
        return self.rows(
            "SELECT grantee, privilege_type, is_grantable FROM information_schema.role_table_grants"
            " WHERE table_name = %s AND grantee IN ('pg_monitor', 'pg_read_all_stats') ORDER BY 1, 2",
            TABLE,
        )

    def test_what_others_were_granted_on_a_view_they_have_after_its_columns_changed_their_types(self):
        wide = TelemetrySpec(
            SPEC.model, TABLE, SPEC.device_types, (Column("level", "double precision", "level"),), SPEC.rollup_columns
        )
        create_table(self.env.cr, wide, PLAIN)
        ensure_table(self.env.cr, wide)
        self.env.cr.execute(f"GRANT SELECT ON {TABLE} TO pg_monitor")
        granted = self.granted()
        ensure_table(self.env.cr, SPEC)
        self.assertEqual(column_types(self.env.cr, TABLE)["level"], "real")
        self.assertEqual((self.granted(), len(granted)), (granted, 1))

    def test_one_of_two_equal_readings_is_refused_after_it_as_before(self):
        self.make(PLAIN, self.reading(T))
        convert(self.env.cr, SPEC, APACHE)
        with self.assertRaises(UniqueViolation), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.env.cr.execute(
                f"INSERT INTO {TABLE} (iot_device_id, timestamp, channel, farm_id, in_maintenance, received_at)"
                f" SELECT iot_device_id, timestamp, channel, farm_id, in_maintenance, received_at FROM {TABLE}"
            )


@tagged("post_install", "-at_install")
class TestColumnTypes(StoreCase, TransactionCase):
    def test_numbers_of_an_older_table_become_real_and_what_a_real_cannot_hold_its_nearest(self):
        wide = TelemetrySpec(
            SPEC.model, TABLE, SPEC.device_types, (Column("level", "double precision", "level"),), SPEC.rollup_columns
        )
        for level in (PLAIN, APACHE):
            with self.subTest(level=level):
                create_table(self.env.cr, wide, level)
                ensure_table(self.env.cr, wide)
                values = (4.2, 1e300, -1e300, 1e-300, 0, None)
                self.write(*(self.reading(T, number, level=value) for number, value in enumerate(values)), spec=wide)
                self.env.cr.execute(
                    f"INSERT INTO {TABLE} SELECT id + 100, iot_device_id, timestamp, 6, farm_id, in_maintenance,"
                    f" received_at, '-Infinity' FROM {TABLE} WHERE channel = 0"
                )
                ensure_table(self.env.cr, SPEC)
                types = column_types(self.env.cr, physical_table(TABLE, level))
                self.assertEqual((types["level"], types["far"]), ("real", "double precision"))
                self.assertEqual(
                    self.rows(f"SELECT level FROM {TABLE} ORDER BY channel"),
                    [(4.2,), (3.4e38,), (-3.4e38,), (0,), (0,), (None,), (-math.inf,)],
                )
                rollup = column_types(self.env.cr, f"{TABLE}_hourly")
                self.assertEqual((rollup["level_sum"], rollup["level_min"]), ("double precision", "real"))
                drop_tables(self.env.cr, SPEC)

    def test_a_sum_of_real_numbers_is_that_of_the_numbers_as_they_were_sent(self):
        self.make(APACHE)
        self.write(*(self.reading(T, number, level=0.1) for number in range(3)), self.reading(T, 9, level=4.2))
        ((_hour, _readings, _count, total, least, most),) = self.rollups()
        self.assertAlmostEqual(total, 4.5, places=12)
        self.assertEqual((least, most), (0.1, 4.2))

    def test_a_table_of_before_gets_the_index_by_which_a_farms_readings_are_found(self):
        for level in (PLAIN, APACHE):
            with self.subTest(level):
                self.make(level, self.reading(T, level=1))
                self.env.cr.execute(f"DROP INDEX {TABLE}_farm_idx")
                ensure_table(self.env.cr, SPEC)
                ((definition,),) = self.rows("SELECT pg_get_indexdef(%s::regclass)", f"{TABLE}_farm_idx")
                self.assertIn('(farm_id, "timestamp" DESC)', definition)
                drop_tables(self.env.cr, SPEC)

    def test_places_on_the_map_keep_all_their_digits(self):
        spec = self.env["iot.activity.reading"]._telemetry_spec()
        types = {column.name: column.pg_type for column in spec.columns}
        self.assertEqual((types["latitude"], types["longitude"]), ("double precision",) * 2)
        self.assertEqual(types["battery_level"], "real")


@tagged("post_install", "-at_install")
class TestRetention(StoreCase, TransactionCase):
    def test_chunks_are_dropped_once_all_of_them_is_too_old_and_rollups_kept(self):
        self.make(APACHE, *(self.reading(T - number * WEEK, level=number) for number in (0, 1, 5)))
        self.assertEqual(len(drop_old(self.env.cr, TABLE, T, days=21)), 1)
        self.assertEqual(self.rows(f"SELECT level FROM {TABLE} ORDER BY 1"), [(0,), (1,)])
        self.assertEqual(len(self.rollups()), 3)

    def test_a_week_that_cannot_be_dropped_is_no_reason_to_be_without_those_that_come(self):
        self.make(PLAIN, self.reading(T - 60 * WEEK, level=1))
        known = [name for name, _begin, _end in partitions.partitions(self.env.cr, TABLE)]
        for name in known[1:]:
            self.env.cr.execute(f"DROP TABLE {name}")
        self.env.cr.execute(f"CREATE VIEW somebody_s_own AS SELECT * FROM {known[0]}")
        store = self.env["iot.telemetry.store"]
        self.env["ir.config_parameter"].set_param("iot.telemetry_retention_days", "30")
        with (
            freeze_time(T),
            patch.object(type(self.env["iot.settings"]), "_telemetry_specs", lambda settings: [SPEC]),
            patch.object(
                type(store), "_connection", lambda store, _patience: contextlib.closing(SharedConnection(store.env.cr))
            ),
            self.assertRaisesRegex(DependentObjectsStillExist, "somebody_s_own"),
            mute_logger("odoo.sql_db"),
        ):
            store._cron_maintain()
        begins = [begin for _name, begin, _end in partitions.partitions(self.env.cr, TABLE)]
        self.assertEqual(begins[1:], [datetime(2026, 2, 23) + number * WEEK for number in range(6)])

    def test_each_model_has_a_retention_of_its_own_or_the_general_one(self):
        parameters = self.env["ir.config_parameter"]
        parameters.set_param("iot.telemetry_retention_days", "100")
        parameters.set_param("iot.telemetry_retention_days_iot_activity_reading", "10")
        config = self.env["iot.settings"]._get_config()
        self.assertEqual(config.retention_days_of("iot_activity_reading"), 10)
        self.assertEqual(config.retention_days_of("iot_temperature_reading"), 100)
        self.assertEqual(config.retention_days_of("some_addon_s_own"), 100)
        decoder = self.env["iot.topic.hierarchy"]._decoder([])
        self.assertEqual([decoder.retention(kind).days for kind in ("collar", "temperature", "gate")], [10, 100, 100])

    def test_whoever_types_a_shorter_retention_is_told_what_is_dropped(self):
        page = self.env["res.config.settings"].new({"telemetry_retention_days": 730})
        self.assertFalse(page._onchange_telemetry_retention())
        page.telemetry_retention_days_iot_activity_reading = 2000
        self.assertFalse(page._onchange_telemetry_retention())
        page.telemetry_retention_days = 90
        self.assertIn("older than 90 days", page._onchange_telemetry_retention()["warning"]["message"])
        for nonsense in (0, -5):
            page.telemetry_retention_days = nonsense
            self.assertFalse(page._onchange_telemetry_retention(), "it cannot be saved, so nothing would be dropped")
        page.telemetry_retention_days = 90
        self.env["ir.config_parameter"].set_param("iot.telemetry_retention_days", "90")
        self.assertFalse(page._onchange_telemetry_retention())
        with self.assertRaises(AccessError):
            page.with_user(self.manager)._onchange_telemetry_retention()

    def test_rows_that_are_updated_all_the_time_have_room_on_their_page(self):
        for table in ("iot_temperature_reading_hourly", "iot_temperature_reading_daily", "iot_device_state"):
            self.assertEqual(
                self.rows("SELECT reloptions FROM pg_class WHERE oid = %s::regclass", table), [(["fillfactor=50"],)]
            )
