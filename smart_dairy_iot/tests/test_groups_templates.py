"""Tags, groups and configuration templates: what they hold, whom they are for, and how a template gets to devices."""

import psycopg2
from lxml import etree

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from .common import IotCase


@tagged("post_install", "-at_install")
class TestTagsAndGroups(IotCase):
    def test_the_form_asks_a_manager_for_a_farm_and_leaves_it_to_an_administrator(self):
        for model in ("iot.device.group", "iot.device.template"):
            for user, asked in ((self.manager, True), (self.admin, False)):
                arch = etree.fromstring(self.env[model].with_user(user).get_view(view_type="form")["arch"])
                (farm,) = arch.xpath("//field[@name='farm_id'][not(ancestor::field)]")
                self.assertEqual(farm.get("required") == "1", asked, (model, user.login))

    def test_a_tag_is_made_by_a_manager_and_its_name_is_taken_once_however_it_is_written(self):
        tags = self.env["iot.device.tag"]
        tag = tags.with_user(self.manager).create({"name": "Trial"})
        self.assertTrue(1 <= tag.color <= 11)
        with self.assertRaises(AccessError):
            tags.with_user(self.user).create({"name": "Mine"})
        with self.assertRaises(AccessError):
            tag.unlink()
        with self.assertRaises(psycopg2.IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            tags.create({"name": "trial"})

    def test_what_is_done_to_tags_groups_pen_and_state_stands_in_the_chatter(self):
        device = self.new_device(uses_mqtt=False)
        barn = self.env["farm.pen"].create({"name": "Barn", "code": "B", "farm_id": self.hill.id})
        tag = self.env["iot.device.tag"].create({"name": "Trial"})
        group = self.env["iot.device.group"].create({"name": "Parlour"})
        self.env.flush_all()
        self.env.cr.precommit.run()
        before = device.message_ids
        device.write(
            {"device_id": "T-2", "location_id": barn.id, "tag_ids": [(4, tag.id)], "group_ids": [(4, group.id)]}
        )
        device.action_provision()
        self.env.flush_all()
        self.env.cr.precommit.run()
        tracked = (device.message_ids - before).sudo().tracking_value_ids
        self.assertLessEqual(
            {"device_id", "location_id", "tag_ids", "group_ids", "state"}, set(tracked.field_id.mapped("name"))
        )

    def test_a_group_of_a_farm_holds_devices_of_that_farm_only(self):
        group = self.env["iot.device.group"].create({"name": "Parlour", "farm_id": self.hill.id})
        here, there = self.new_device("T-1"), self.new_device("T-2", farm=self.valley, user=self.admin)
        group.device_ids = here
        with self.assertRaises(ValidationError):
            group.device_ids |= there
        with self.assertRaises(ValidationError):
            there.group_ids = group
        with self.assertRaises(ValidationError):
            group.farm_id = self.valley

    def test_a_device_that_moves_leaves_the_groups_of_its_old_farm_and_stays_in_those_of_all(self):
        groups = self.env["iot.device.group"]
        parlour = groups.create({"name": "Parlour", "farm_id": self.hill.id})
        trial = groups.create({"name": "Trial"})
        device = self.new_device(group_ids=[(6, 0, (parlour | trial).ids)]).with_user(self.admin)
        device.farm_id = self.valley
        self.assertEqual(device.group_ids, trial)

    def test_a_group_counts_and_opens_its_devices(self):
        devices = self.new_device("T-1") | self.new_device("T-2")
        group = self.env["iot.device.group"].create({"name": "Trial", "device_ids": [(6, 0, devices.ids)]})
        self.assertEqual(group.device_count, 2)
        action = group.action_view_devices()
        self.assertEqual(action["display_name"], "Trial", "the web client's title, before the action's name")
        self.assertEqual(self.env["iot.device"].search(action["domain"]), devices)
        self.new_device("T-3", farm=self.valley, user=self.admin).group_ids = group
        group.invalidate_recordset()
        self.assertEqual(group.with_user(self.user).device_count, 2, "of a farm that is closed to him")

    def test_a_manager_keeps_the_groups_of_his_farms_and_sees_those_of_all(self):
        self.check_rights("iot.device.group", {"name": "Group"})

    def test_a_manager_keeps_the_templates_of_his_farms_and_sees_those_of_all(self):
        values = {"name": "Template", "device_type": "gate", "config_json": "{}"}
        self.check_rights("iot.device.template", values)

    def check_rights(self, model, values):
        records = self.env[model]
        shared = records.create(values)
        theirs = records.create({**values, "farm_id": self.valley.id})
        mine = records.with_user(self.manager).create({**values, "farm_id": self.hill.id})
        seen = records.with_user(self.user).search([("id", "in", (shared | theirs | mine).ids)])
        self.assertEqual(seen, shared | mine)
        for refused in (
            lambda: shared.with_user(self.manager).write({"name": "Mine"}),
            lambda: shared.with_user(self.manager).unlink(),
            lambda: theirs.with_user(self.manager).write({"name": "Mine"}),
            lambda: records.with_user(self.manager).create(values),
            lambda: records.with_user(self.manager).create({**values, "farm_id": self.valley.id}),
            lambda: mine.write({"farm_id": False}),
            lambda: mine.write({"farm_id": self.valley.id}),
            lambda: mine.with_user(self.user).write({"name": "Mine"}),
        ):
            with self.assertRaises(AccessError), self.env.cr.savepoint():
                refused()
        mine.unlink()

    def test_another_company_s_groups_and_templates_are_not_seen(self):
        company = self.env["res.company"].create({"name": "Other Dairy"})
        farm = self.env["farm.location"].create(
            {"name": "Far Farm", "code": "FAR", "tz": "UTC", "company_id": company.id}
        )
        group = self.env["iot.device.group"].create({"name": "Theirs", "farm_id": farm.id})
        self.assertFalse(self.env["iot.device.group"].with_user(self.admin).search([("id", "=", group.id)]))


@tagged("post_install", "-at_install")
class TestTemplates(IotCase):
    def setUp(self):
        super().setUp()
        self.template = self.env["iot.device.template"].create(
            {"name": "Every minute", "device_type": "temperature", "config_json": '{"interval_seconds": 60}'}
        )

    def wizard_of(self, devices, user=None, **values):
        """What the list's action opens for a selection."""
        wizards = self.env["iot.device.template.wizard"].with_user(user or self.manager)
        return wizards.with_context(active_model="iot.device", active_ids=devices.ids).create(values)

    def configured(self, devices):
        """The devices' retained configurations that are waiting to be sent."""
        entries = self.env["iot.outbox"].search([("iot_device_id", "in", devices.ids), ("retain", "=", True)])
        return {entry.topic: entry.payload for entry in entries}

    def test_a_template_holds_a_json_object(self):
        for text in ("[1]", "{", "true"):
            with self.subTest(text=text), self.assertRaisesRegex(ValidationError, "Every minute"):
                self.template.config_json = text

    def test_a_template_is_given_to_a_selection_sent_to_those_in_service_and_noted_on_each(self):
        devices = waiting, served = self.new_device("T-1"), self.new_device("T-2")
        self.provision(served)
        devices = waiting | served
        wizard = self.wizard_of(devices, template_id=self.template.id)
        self.assertEqual((wizard.target_count, wizard.losing_count, wizard.problem), (2, 0, False))
        self.assertIn("2", wizard.action_apply()["params"]["message"])
        self.assertEqual(devices.mapped("config_json"), ['{"interval_seconds": 60}'] * 2)
        sent = '{"interval_seconds": 60, "config_version": 1}'
        self.assertEqual(self.configured(devices), {served.config_topic: sent})
        for device in devices:
            self.assertIn("Every minute", device.message_ids[0].body)
            self.assertEqual(device.message_ids[0].author_id, self.manager.partner_id)

    def test_who_would_lose_a_configuration_of_his_own_is_said_before(self):
        own = self.new_device("T-1", config_json='{"interval_seconds": 5}')
        same = self.new_device("T-2", config_json='{ "interval_seconds" : 60 }')
        none = self.new_device("T-3")
        wizard = self.wizard_of(own | same | none, template_id=self.template.id)
        self.assertEqual((wizard.losing_ids, wizard.target_count), (own, 3))

    def test_only_templates_of_the_selected_devices_type_and_farm_are_offered(self):
        templates = self.env["iot.device.template"]
        values = {"name": "Other", "device_type": "temperature", "config_json": "{}"}
        gate = templates.create({**values, "device_type": "gate"})
        here = templates.create({**values, "farm_id": self.hill.id})
        there = templates.create({**values, "farm_id": self.valley.id})
        offered = self.wizard_of(self.new_device(), user=self.admin).allowed_template_ids
        self.assertEqual(offered & (self.template | gate | here | there), self.template | here)

    def test_a_selection_of_several_types_is_told_so_and_nothing_is_applied(self):
        devices = self.new_device("T-1") | self.new_device("G-1", "gate")
        wizard = self.wizard_of(devices, template_id=self.template.id)
        self.assertIn("1 × Automated Gate, 1 × Temperature Sensor", wizard.problem)
        with self.assertRaisesRegex(UserError, "several types"):
            wizard.action_apply()
        self.assertEqual(devices.mapped("config_json"), [False, False])

    def test_a_template_chooses_its_devices_by_group_tag_and_name(self):
        tag = self.env["iot.device.tag"].create({"name": "Trial"})
        grouped, tagged_, named, gate, gone = (
            self.new_device("T-1"),
            self.new_device("T-2", tag_ids=[(4, tag.id)]),
            self.new_device("T-3"),
            self.new_device("G-1", "gate", tag_ids=[(4, tag.id)]),
            self.new_device("T-4", uses_mqtt=False, tag_ids=[(4, tag.id)]),
        )
        gone.action_decommission()
        group = self.env["iot.device.group"].create({"name": "Parlour", "device_ids": [(4, grouped.id)]})
        action = self.template.with_user(self.manager).action_apply_to_devices()
        wizards = self.env[action["res_model"]].with_user(self.manager).with_context(**action["context"])
        with Form(wizards) as form:
            self.assertEqual(form.target_count, 0)
            form.group_ids.add(group)
            form.tag_ids.add(tag)
            form.device_ids.add(named)
            self.assertEqual((form.target_count, form.left_out_count), (3, 2))
        form.record.action_apply()
        self.assertEqual((grouped | tagged_ | named | gate | gone).filtered("config_json"), grouped | tagged_ | named)

    def test_devices_of_a_farm_that_is_closed_to_the_manager_get_nothing_from_him(self):
        there = self.new_device("T-1", farm=self.valley, user=self.admin)
        with self.assertRaises(AccessError):
            self.wizard_of(there, template_id=self.template.id).action_apply()
        self.assertFalse(there.sudo().config_json)

    def test_a_user_applies_no_template(self):
        device = self.new_device()
        with self.assertRaises(AccessError):
            self.wizard_of(device, user=self.user, template_id=self.template.id)
        with self.assertRaises(AccessError):
            self.template.with_user(self.user)._apply(device.with_user(self.user))
