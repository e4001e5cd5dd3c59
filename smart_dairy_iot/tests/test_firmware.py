"""Firmware: its file is checked, and once released it stays as it is."""

import base64
import hashlib

from psycopg2 import IntegrityError

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models.iot_topic_hierarchy import DEVICE_TYPES
from .firmware import CONTENT, FirmwareCase


@tagged("post_install", "-at_install")
class TestFirmware(FirmwareCase):
    def test_every_type_of_device_is_there_to_choose_under_its_name(self):
        found = self.env["iot.device.type"].search([])
        self.assertEqual([(record.device_type, record.display_name) for record in found], DEVICE_TYPES)
        collar = self.env.ref("smart_dairy_iot.iot_device_type_collar")
        self.assertEqual(self.env["iot.device.type"].name_search("collar"), [(collar.id, collar.display_name)])

    def test_the_checksum_and_the_size_are_those_of_the_file(self):
        self.assertEqual(self.firmware.sha256, hashlib.sha256(CONTENT).hexdigest())
        self.assertEqual(self.firmware.size, len(CONTENT))
        draft = self.new_firmware("2.1")
        draft.file = base64.b64encode(b"other")
        self.assertEqual((draft.sha256, draft.size), (hashlib.sha256(b"other").hexdigest(), 5))

    def test_checksum_size_and_state_are_nobody_s_to_type(self):
        draft = self.new_firmware("2.1")
        for values in ({"sha256": "0" * 64}, {"size": 1}, {"state": "released"}):
            with self.subTest(values=values), self.assertRaises(UserError):
                draft.write(values)
            with self.subTest(values=values), self.assertRaises(UserError):
                self.new_firmware("2.2", **values)
        with self.assertRaises(UserError):
            self.env["iot.firmware"].with_user(self.admin).with_context(default_state="released").create(
                {"name": "x", "version": "3", "device_type_ids": [(6, 0, self.sensors.ids)]}
            )

    def test_a_file_that_is_not_the_maker_s_is_refused(self):
        good = hashlib.sha256(CONTENT).hexdigest()
        self.assertEqual(self.new_firmware("2.1", expected_sha256=f" {good.upper()}").sha256, good)
        for expected in ("0" * 64, good[:-1], "none"):
            with self.subTest(expected=expected), self.assertRaises(ValidationError):
                self.new_firmware("2.2", expected_sha256=expected)

    def test_a_version_is_good_for_an_address_and_for_a_status(self):
        for version in ("a/b", "..", "1 0", "é", "x" * 65, "-1"):
            with self.subTest(version=version), self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.new_firmware(version)
        self.assertTrue(self.new_firmware("2.1.0-rc.1+build_7"))

    def test_a_version_says_which_firmware_a_device_of_its_type_runs(self):
        collars = self.env.ref("smart_dairy_iot.iot_device_type_collar")
        self.assertTrue(self.new_firmware("2.0", device_type_ids=[(6, 0, collars.ids)]))
        with self.assertRaises(ValidationError):
            self.new_firmware("2.0", device_type_ids=[(6, 0, (collars | self.sensors).ids)])

    def test_what_is_released_can_neither_be_changed_nor_deleted(self):
        for values in (
            {"file": base64.b64encode(b"evil")},
            {"version": "9"},
            {"name": "Other"},
            {"release_notes": "Other"},
            {"device_type_ids": [(5,)]},
            {"state": "draft"},
        ):
            with self.subTest(values=values), self.assertRaises(UserError):
                self.firmware.write(values)
        with self.assertRaises(UserError):
            self.firmware.unlink()
        self.new_firmware("2.1").unlink()

    def test_the_file_of_what_is_released_cannot_be_changed_behind_its_back(self):
        files = self.env["ir.attachment"].sudo()
        of_firmware = [("res_model", "=", "iot.firmware"), ("res_field", "=", "file")]
        file = files.search([*of_firmware, ("res_id", "=", self.firmware.id)]).with_user(self.admin)
        with self.assertRaises(AccessError):
            file.write({"raw": b"evil"})
        with self.assertRaises(AccessError):
            file.unlink()
        place = {"res_model": "iot.firmware", "res_field": "file", "res_id": self.firmware.id}
        with self.assertRaises(AccessError), self.env.cr.savepoint():
            files.with_user(self.admin).create({"name": "newer", "raw": b"evil", **place})
        elsewhere = files.with_user(self.admin).create({"name": "newer", "raw": b"evil"})
        with self.assertRaises(AccessError), self.env.cr.savepoint():
            elsewhere.write(place)
        draft = self.new_firmware("2.1")
        files.search([*of_firmware, ("res_id", "=", draft.id)]).with_user(self.admin).write({"raw": b"damaged"})
        self.env.invalidate_all()
        with self.assertRaises(UserError):
            draft.action_release()

    def test_without_a_file_or_types_nothing_is_released(self):
        for values in ({"file": False}, {"device_type_ids": [(5,)]}):
            draft = self.new_firmware("2.1")
            draft.write(values)
            with self.subTest(values=values), self.assertRaises(UserError):
                draft.action_release()
            draft.unlink()

    def test_only_administrators_keep_firmware_and_others_see_what_is_released(self):
        draft = self.new_firmware("2.1")
        for user in (self.user, self.manager):
            mine = self.env["iot.firmware"].with_user(user)
            self.assertIn(self.firmware, mine.search([]))
            self.assertNotIn(draft, mine.search([]))
            for action in (
                lambda mine=mine: mine.create({"name": "x", "version": "3"}),
                lambda user=user: self.firmware.with_user(user).action_withdraw(),
                lambda user=user: self.firmware.with_user(user).read(["file"]),
            ):
                with self.assertRaises(AccessError), self.env.cr.savepoint():
                    action()

    def test_firmware_that_a_roll_out_is_planned_for_is_not_deleted(self):
        draft = self.new_firmware("2.1")
        self.new_rollout(self.in_service("T-1"), user=self.admin, firmware_id=draft.id)
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            draft.unlink()

    def test_withdrawn_firmware_is_gone_for_good_and_its_roll_outs_are_cancelled(self):
        first, second = self.in_service("T-1", "T-2")
        rollout = self.new_rollout(first | second, waves=[(1, "devices")])
        rollout.action_start()
        self.step(rollout)
        self.assertEqual(self.states(rollout), ["sent", "waiting"])
        self.firmware.action_withdraw()
        self.assertEqual(rollout.state, "cancelled")
        self.assertEqual(self.states(rollout), ["skipped", "skipped"])
        self.assertEqual(self.lines(rollout)["T-1"].device_command_id.state, "cancelled")
        with self.assertRaises(UserError):
            self.firmware.action_release()
        with self.assertRaises(UserError):
            self.new_rollout(first).action_start()
