"""Register maps as data."""

import json

from psycopg2 import IntegrityError

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests.common import HttpCase, new_test_user, tagged
from odoo.tools import file_open, mute_logger

from ..modbus.profile import DATA_TYPES, QUANTITIES, REGISTER_TYPES, REQUIRED_QUANTITIES
from ..models.iot_modbus_profile_line import REGISTER_TYPES as OFFERED_REGISTER_TYPES
from .common import MilkCase, migrate

CAME_ALONG = ("profile_delaval_mm27bc", "profile_gea", "profile_afimilk")


class ProfileCase(MilkCase):
    def setUp(self):
        super().setUp()
        self.delaval, self.gea, self.afimilk = (self.env.ref(f"smart_dairy_iot_milk.{name}") for name in CAME_ALONG)

    def register(self, profile, quantity):
        return profile.line_ids.filtered(lambda line: line.quantity == quantity)


@tagged("post_install", "-at_install")
class TestModbusProfile(ProfileCase):
    def test_the_form_offers_what_the_poller_knows(self):
        line, profile = self.env["iot.modbus.profile.line"], self.env["iot.modbus.profile"]
        self.assertEqual({name for name, _label in line._fields["quantity"].selection}, set(QUANTITIES))
        self.assertEqual({name for name, _label in line._fields["data_type"].selection}, set(DATA_TYPES))
        self.assertEqual({name for name, _label in OFFERED_REGISTER_TYPES}, set(REGISTER_TYPES))
        told_by = {name for name, _label in profile._fields["milking_from"].selection}
        self.assertEqual(told_by, set(REQUIRED_QUANTITIES))

    def test_the_maps_that_come_along_can_be_read_with(self):
        for profile in self.delaval | self.gea | self.afimilk:
            self.assertFalse(profile.problem, profile.name)
            self.assertEqual(profile.request_count, 2, profile.name)

    def test_afimilk_is_read_by_the_flow_of_milk(self):
        profile = self.afimilk._as_profile()
        self.assertEqual((profile.milking_from, profile.flow_from, profile.idle_seconds), ("flow", 0.2, 20))
        self.assertEqual(profile.required, ("flow_rate", "yield_liters"))

    def test_no_value_within_the_ranges_that_come_along_is_refused_as_a_message(self):
        """A value that the message's schema refuses takes the whole message with it."""
        with file_open("smart_dairy_iot/data/schemas/milk_meter_data.json") as file:
            schema = json.load(file)["properties"]
        known = {**schema, **schema["quality"]["properties"], **schema["equipment"]["properties"]}
        for line in (self.delaval | self.gea | self.afimilk).line_ids:
            limits = known.get(line.quantity, {})
            if QUANTITIES[line.quantity] in ("number", "integer"):
                self.assertGreater(line.maximum, line.minimum, line.quantity)
                self.assertGreaterEqual(line.minimum, limits.get("minimum", line.minimum), line.quantity)
                self.assertLessEqual(line.maximum, limits.get("maximum", line.maximum), line.quantity)

    def test_a_profile_says_what_it_lacks(self):
        self.register(self.delaval, "milking").unlink()
        self.assertIn("Milking in progress", self.delaval.problem)
        self.delaval.milking_from = "flow"
        self.assertFalse(self.delaval.problem)
        self.register(self.delaval, "flow_rate").unlink()
        self.assertIn("Flow rate", self.delaval.problem)

    def test_registers_without_a_meaning_may_be_read_to_save_a_request(self):
        self.delaval.largest_gap = 1
        self.assertEqual(self.delaval.request_count, 1)

    def test_a_register_that_makes_no_sense_is_refused(self):
        flow = self.register(self.delaval, "flow_rate")
        for values, message in (
            ({"address": 70_000}, "addresses 0 to 65535"),
            ({"data_type": "string"}, "only a tag"),
            ({"data_type": "bool"}, "yes or no"),
            ({"register_type": "coil"}, "its type is bool"),
            ({"minimum": 20, "maximum": 10}, "ends before it begins"),
            ({"unavailable": "0xFFFF, none"}, "none is no number"),
        ):
            with self.subTest(**values), self.assertRaisesRegex(ValidationError, message), self.env.cr.savepoint():
                flow.write(values)

    def test_settings_that_make_no_sense_are_refused(self):
        for values in ({"flow_from": 0}, {"idle_seconds": 0}, {"point_stride": -1}, {"largest_gap": 17}):
            with self.subTest(**values), self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
                with self.env.cr.savepoint():
                    self.delaval.write(values)

    def test_a_profile_names_a_quantity_once(self):
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.delaval.line_ids.create({"profile_id": self.delaval.id, "quantity": "yield_liters", "address": 50})

    def test_a_profile_in_use_cannot_be_deleted(self):
        meter = self.make_meter("MM-9", communication_type="modbus_tcp", modbus_port="127.0.0.1:15020")
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            meter.modbus_profile_id.unlink()

    def test_a_register_has_the_unit_of_its_meaning_until_another_is_typed(self):
        line = self.register(self.delaval, "vacuum_pressure")
        self.assertEqual(line.unit, "kPa")
        line.unit = "mbar"
        self.env.flush_all()
        self.assertEqual(line.unit, "mbar")
        self.assertFalse(self.register(self.delaval, "rfid_tag").unit)

    def test_a_range_from_0_to_0_is_none(self):
        line = self.register(self.delaval, "yield_liters")
        self.assertEqual((line._as_line().minimum, line._as_line().maximum), (0.0, 50.0))
        line.write({"minimum": 0, "maximum": 0})
        self.assertEqual((line._as_line().minimum, line._as_line().maximum), (None, None))

    def test_a_user_sees_register_maps_and_changes_none(self):
        user = new_test_user(self.env, "milker", "smart_dairy_farm.group_farm_user")
        self.assertTrue(self.delaval.with_user(user).request_count)
        with self.assertRaises(AccessError):
            self.register(self.delaval, "flow_rate").with_user(user).address = 3


@tagged("post_install", "-at_install")
class TestModbusProfileExchange(ProfileCase):
    def files(self, *contents):
        attachments = self.env["ir.attachment"]
        for number, content in enumerate(contents):
            raw = content.encode() if isinstance(content, str) else content
            attachments |= attachments.create({"name": f"map{number}.json", "raw": raw})
        return attachments

    def take_over(self, *contents):
        """Import files and return the profiles."""
        wizard = self.env["iot.modbus.import"].create({"file_ids": [(6, 0, self.files(*contents).ids)]})
        before = self.env["iot.modbus.profile"].search([])
        wizard.action_import()
        return self.env["iot.modbus.profile"].search([]) - before

    def renamed(self, profile, name, **changes):
        return json.dumps({**json.loads(profile._as_document()), "name": name, **changes})

    def test_a_map_arrives_as_it_left(self):
        for profile in self.delaval | self.gea | self.afimilk:
            document = self.renamed(profile, f"{profile.name} of the neighbour")
            (arrived,) = self.take_over(document)
            self.assertEqual(json.loads(arrived._as_document()), json.loads(document))
            self.assertEqual(arrived._as_profile().lines, profile._as_profile().lines)

    def test_what_a_person_typed_travels_too(self):
        self.register(self.delaval, "vacuum_pressure").write(
            {"unit": "mbar", "unavailable": "0xFFFF, 0x8000", "scale": 0.1, "value_offset": -2.5, "byte_order": "DCBA"}
        )
        self.delaval.write({"point_stride": 32, "largest_gap": 4, "notes": "Seen at the Hofer farm."})
        (arrived,) = self.take_over(self.renamed(self.delaval, "Ours"))
        line = self.register(arrived, "vacuum_pressure")
        self.assertEqual(
            (line.unit, line.unavailable, line.scale, line.value_offset), ("mbar", "0xFFFF, 0x8000", 0.1, -2.5)
        )
        self.assertEqual((arrived.point_stride, arrived.largest_gap, arrived.notes), (32, 4, "Seen at the Hofer farm."))

    def test_several_files_are_taken_over_at_once_and_leave_no_copy(self):
        files = self.files(self.renamed(self.delaval, "First"), self.renamed(self.gea, "Second"))
        wizard = self.env["iot.modbus.import"].create({"file_ids": [(6, 0, files.ids)]})
        action = wizard.action_import()
        profiles = self.env["iot.modbus.profile"].search(action["domain"])
        self.assertEqual(set(profiles.mapped("name")), {"First", "Second"})
        self.assertFalse(files.exists())

    def test_one_file_opens_its_map(self):
        wizard = self.env["iot.modbus.import"].create(
            {"file_ids": [(6, 0, self.files(self.renamed(self.delaval, "First")).ids)]}
        )
        action = wizard.action_import()
        self.assertEqual(self.env["iot.modbus.profile"].browse(action["res_id"]).name, "First")

    def test_a_file_that_is_no_map_is_named_and_nothing_is_taken_over(self):
        with self.assertRaisesRegex(UserError, "map1.json: This is no JSON"), self.env.cr.savepoint():
            self.take_over(self.renamed(self.delaval, "First"), "no map")
        self.assertFalse(self.env["iot.modbus.profile"].search([("name", "=", "First")]))

    def test_a_map_of_a_name_that_is_there_is_refused_an_archived_one_too(self):
        self.delaval.active = False
        for contents in (
            [self.delaval._as_document()],
            [self.renamed(self.gea, "Twice"), self.renamed(self.gea, "Twice")],
        ):
            with self.assertRaisesRegex(UserError, "is a Modbus profile of the name"), self.env.cr.savepoint():
                self.take_over(*contents)

    def test_a_maker_that_is_none_and_no_file_at_all_are_refused(self):
        with self.assertRaisesRegex(UserError, "acme is no maker"):
            self.take_over(self.renamed(self.delaval, "First", manufacturer="acme"))
        with self.assertRaisesRegex(UserError, "one file at least"):
            self.take_over()

    def test_only_a_manager_takes_maps_over(self):
        user = new_test_user(self.env, "milker", "smart_dairy_farm.group_farm_user")
        with self.assertRaises(AccessError):
            self.env["iot.modbus.import"].with_user(user).create({})


@tagged("post_install", "-at_install")
class TestModbusProfileDownload(HttpCase):
    def test_a_map_is_downloaded_as_a_file_of_its_name(self):
        profile = self.env.ref("smart_dairy_iot_milk.profile_gea")
        new_test_user(self.env, "milk_manager", "smart_dairy_farm.group_farm_manager", password="milk_manager")
        self.authenticate("milk_manager", "milk_manager")
        response = self.url_open(profile.action_export_json()["url"])
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.json()["name"], "GEA (as DeLaval)")
        self.assertIn(".json", response.headers["Content-Disposition"])
        self.assertIn("GEA", response.headers["Content-Disposition"])


@tagged("post_install", "-at_install")
class TestModbusProfileUpdate(ProfileCase):
    """An installed database gets the ranges, and keeps what a person has changed."""

    def update(self):
        migrate(self.env, "1.1.0", "post-modbus-profiles")

    def as_before(self):
        (self.delaval | self.gea | self.afimilk).line_ids.write({"minimum": 0, "maximum": 0})
        self.afimilk.milking_from = "status"

    def ranges(self):
        return {line: (line.minimum, line.maximum) for line in (self.delaval | self.gea | self.afimilk).line_ids}

    def test_registers_as_they_came_get_the_ranges_of_a_new_database(self):
        new = self.ranges()
        self.as_before()
        self.update()
        self.assertEqual(self.ranges(), new)
        self.assertEqual(self.afimilk.milking_from, "flow")

    def test_what_a_person_changed_stays(self):
        self.as_before()
        self.register(self.delaval, "yield_liters").address = 40
        self.register(self.delaval, "flow_rate").scale = 0.01
        self.register(self.gea, "yield_liters").write({"minimum": 0, "maximum": 35})
        self.afimilk.line_ids = [(0, 0, {"quantity": "milking", "address": 116, "data_type": "bit"})]
        self.update()
        self.assertEqual(self.register(self.delaval, "yield_liters").maximum, 0)
        self.assertEqual(self.register(self.delaval, "flow_rate").maximum, 0)
        self.assertEqual(self.register(self.gea, "yield_liters").maximum, 35)
        self.assertEqual(self.afimilk.milking_from, "status")

    def test_the_kind_of_registers_of_a_map_becomes_that_of_each_register(self):
        self.env.cr.execute("ALTER TABLE iot_modbus_profile ADD COLUMN register_type varchar")
        self.env.cr.execute(
            "UPDATE iot_modbus_profile SET register_type = CASE WHEN id = %s THEN 'input' ELSE 'holding' END",
            [self.gea.id],
        )
        self.update()
        self.assertEqual(set(self.gea.line_ids.mapped("register_type")), {"input"})
        self.assertEqual(set(self.delaval.line_ids.mapped("register_type")), {"holding"})
