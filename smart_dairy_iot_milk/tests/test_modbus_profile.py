"""Register maps as data."""

from psycopg2 import IntegrityError

from odoo.exceptions import ValidationError
from odoo.tests.common import tagged
from odoo.tools import mute_logger

from ..modbus.profile import DATA_TYPES, QUANTITIES
from .common import MilkCase


@tagged("post_install", "-at_install")
class TestModbusProfile(MilkCase):
    def test_the_form_offers_what_the_poller_knows(self):
        line = self.env["iot.modbus.profile.line"]
        self.assertEqual({name for name, _label in line._fields["quantity"].selection}, set(QUANTITIES))
        self.assertEqual({name for name, _label in line._fields["data_type"].selection}, set(DATA_TYPES))

    def test_the_delaval_profile_reads_a_meter_in_two_requests(self):
        profile = self.env.ref("smart_dairy_iot_milk.profile_delaval_mm27bc")
        self.assertEqual(profile.request_count, 2)
        self.assertFalse(profile.problem)

    def test_a_profile_says_what_it_lacks(self):
        self.assertIn("Milking in progress", self.env.ref("smart_dairy_iot_milk.profile_afimilk").problem)

    def test_a_register_that_makes_no_sense_is_refused(self):
        profile = self.env.ref("smart_dairy_iot_milk.profile_delaval_mm27bc")
        with self.assertRaisesRegex(ValidationError, "addresses 0 to 65535"):
            profile.line_ids[0].address = 70_000
        with self.assertRaisesRegex(ValidationError, "only a tag"):
            profile.line_ids.filtered(lambda line: line.quantity == "flow_rate").data_type = "string"

    def test_a_profile_names_a_quantity_once(self):
        profile = self.env.ref("smart_dairy_iot_milk.profile_delaval_mm27bc")
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            profile.line_ids.create({"profile_id": profile.id, "quantity": "yield_liters", "address": 50})

    def test_a_profile_in_use_cannot_be_deleted(self):
        meter = self.make_meter("MM-9", communication_type="modbus_tcp")
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            meter.modbus_profile_id.unlink()
