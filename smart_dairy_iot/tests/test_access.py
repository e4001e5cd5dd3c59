"""Who may do what: users see and acknowledge, managers run the devices, administrators set up; each on his farms."""

from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .common import IotCase


@tagged("post_install", "-at_install")
class TestAccess(IotCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.outsider = new_test_user(cls.env, "iot_outsider", "base.group_user")
        cls.here = cls.new_device(cls, "T-1")
        cls.there = cls.new_device(cls, "T-2", farm=cls.valley, user=cls.admin)
        now = fields.Datetime.now()
        record = cls.env["iot.event"].record
        cls.event_here = record("device_error", timestamp=now, device=cls.here)
        cls.event_there = record("device_error", timestamp=now, device=cls.there)
        alerts = cls.env["iot.alert"]
        cls.alert_here = alerts.create({"name": "Here", "iot_device_id": cls.here.id})
        cls.alert_there = alerts.create({"name": "There", "iot_device_id": cls.there.id})
        for device in (cls.here, cls.there):
            cls.env.cr.execute(
                "INSERT INTO iot_temperature_reading"
                " (iot_device_id, timestamp, channel, farm_id, in_maintenance, received_at, temperature)"
                " VALUES (%s, %s, 0, %s, false, %s, 4.0)",
                [device.id, now, device.sudo().farm_id.id, now],
            )
            cls.env.cr.execute(
                "INSERT INTO iot_dead_letter (received_at, topic, payload, reason, state, iot_device_id, farm_id)"
                " VALUES (%s, 'x', '', 'schema', 'new', %s, %s)",
                [now, device.id, device.sudo().farm_id.id],
            )
            cls.env.cr.execute(
                "INSERT INTO iot_device_state (iot_device_id, last_seen) VALUES (%s, %s)", [device.id, now]
            )
        cls.env.cr.execute(
            "INSERT INTO iot_dead_letter (received_at, topic, payload, reason, state)"
            " VALUES (%s, 'y', '', 'topic', 'new')",
            [now],
        )

    def farms_seen(self, model, user):
        """Codes of the farms of the records that a user finds among this test's."""
        devices = self.here | self.there
        records = self.env[model].with_user(user).search([("iot_device_id", "in", devices.ids)])
        return sorted(records.sudo().iot_device_id.farm_id.mapped("code"))

    def test_users_and_managers_find_what_belongs_to_their_farms_and_administrators_all(self):
        models = ("iot.event", "iot.alert", "iot.temperature.reading", "iot.dead.letter", "iot.device.state")
        for user, farms in ((self.user, ["HILL"]), (self.manager, ["HILL"]), (self.admin, ["HILL", "VALLEY"])):
            found = self.env["iot.device"].with_user(user).search([("id", "in", (self.here | self.there).ids)])
            self.assertEqual(sorted(found.sudo().farm_id.mapped("code")), farms, user.login)
            for model in models:
                self.assertEqual(self.farms_seen(model, user), farms, f"{user.login}: {model}")

    def test_those_outside_the_dairy_see_nothing(self):
        for model in (
            "iot.device",
            "iot.event",
            "iot.alert",
            "iot.topic.hierarchy",
            "iot.temperature.reading",
            "iot.dead.letter",
        ):
            with self.subTest(model=model), self.assertRaises(AccessError):
                self.env[model].with_user(self.outsider).search([])

    def test_another_company_sees_nothing(self):
        company = self.env["res.company"].create({"name": "Other Dairy"})
        stranger = new_test_user(
            self.env,
            "iot_stranger",
            "smart_dairy_farm.group_farm_admin",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        self.assertFalse(self.env["iot.device"].with_user(stranger).search([]))
        self.assertEqual(self.farms_seen("iot.alert", stranger), [])
        self.assertEqual(self.farms_seen("iot.temperature.reading", stranger), [])

    def test_a_dead_letter_that_belongs_to_no_farm_is_for_administrators(self):
        found = [("topic", "=", "y")]
        self.assertFalse(self.env["iot.dead.letter"].with_user(self.manager).search(found))
        self.assertTrue(self.env["iot.dead.letter"].with_user(self.admin).search(found))

    def test_nobody_changes_what_is_in_a_dead_letter(self):
        letter = self.env["iot.dead.letter"].with_user(self.manager).search([("iot_device_id", "=", self.here.id)])
        for values in ({"topic": self.there.sudo().data_topic}, {"payload": b"e30="}, {"farm_id": False}):
            with self.subTest(values=values), self.assertRaises(AccessError):
                letter.write(values)
        letter.action_replay()
        self.assertEqual(letter.state, "replaying")

    def test_no_user_publishes_or_processes_the_inbox_by_himself(self):
        portal = new_test_user(self.env, "iot_portal", "base.group_portal")
        for user in (portal, self.outsider, self.manager, self.admin):
            with self.subTest(user=user.login):
                with self.assertRaises(AccessError):
                    self.env["iot.mqtt.service"].with_user(user).publish(self.there.sudo().command_topic, {"open": 1})
                with self.assertRaises(AccessError):
                    self.env["iot.inbox"].with_user(user).process()

    def test_a_user_can_neither_change_nor_provision_a_device(self):
        device = self.here.with_user(self.user)
        for action in (
            lambda: device.write({"name": "Mine"}),
            device.action_provision,
            device.action_decommission,
            device.unlink,
            lambda: self.new_device("T-9", user=self.user),
        ):
            with self.assertRaises(AccessError), self.env.cr.savepoint():
                action()
        self.provision(self.here)
        for action in ("action_rotate_password", "action_deactivate", "action_set_maintenance", "action_decommission"):
            with self.subTest(action=action), self.assertRaises(AccessError), self.env.cr.savepoint():
                getattr(device, action)()

    def test_no_wizard_tells_a_manager_of_a_device_that_he_does_not_see(self):
        for model, field, values in (
            ("iot.device.claim.wizard", "name", {"claim_code": "x"}),
            ("iot.device.replace.wizard", "device_id", {"reason": "x"}),
            (
                "iot.device.replace.wizard",
                "state",
                {"reason": "x", **dict.fromkeys(("device_id", "manufacturer", "model"), "x")},
            ),
            ("iot.device.credentials.wizard", "data_topic", {}),
            ("iot.device.certificate.wizard", "cn", {}),
        ):
            wizards = self.env[model].with_user(self.manager)
            with self.subTest(model=model, field=field), self.assertRaises(AccessError), self.env.cr.savepoint():
                wizard = wizards.create({"iot_device_id": self.there.id, **values})
                wizard.env.invalidate_all()  # what this test itself has read of the device is no right of the manager's
                wizard[field]
            shown = wizards.create({"iot_device_id": self.here.id, **values})[field]
            self.assertTrue(shown, f"{model}.{field} of a device of his own")

    def test_no_manager_tags_a_device_that_he_does_not_see(self):
        tag = self.env["iot.device.tag"].with_user(self.manager).create({"name": "Mine"})
        with self.assertRaises(AccessError):
            self.there.with_user(self.manager).tag_ids = tag
        ways = [field for field in tag._fields.values() if field.comodel_name == "iot.device"]
        self.assertFalse(ways, "record rules of devices do not hold for what is written to a tag")

    def test_a_manager_cannot_touch_devices_of_farms_that_he_does_not_see(self):
        self.there.with_user(self.admin).action_provision()
        device = self.there.with_user(self.manager)
        for action in (
            "action_rotate_password",
            "action_deactivate",
            "action_set_maintenance",
            "action_decommission",
            "action_archive",
            "action_view_readings",
        ):
            with self.subTest(action=action), self.assertRaises(AccessError), self.env.cr.savepoint():
                getattr(device, action)()

    def test_a_manager_cannot_move_a_device_to_a_farm_that_he_does_not_see_or_register_one_there(self):
        with self.assertRaises(AccessError), self.env.cr.savepoint():
            self.here.with_user(self.manager).write({"farm_id": self.valley.id})
        with self.assertRaises(AccessError), self.env.cr.savepoint():
            self.new_device("T-9", farm=self.valley)

    def test_only_administrators_delete_devices_and_change_topics_and_schemas(self):
        for record, values in (
            (self.env.ref("smart_dairy_iot.topic_gate_data"), {"name": "Changed"}),
            (self.env.ref("smart_dairy_iot.schema_gate_data"), {"name": "Changed"}),
        ):
            with self.assertRaises(AccessError):
                record.with_user(self.manager).write(values)
            record.with_user(self.admin).write(values)
        with self.assertRaises(AccessError):
            self.here.with_user(self.manager).unlink()
        self.here.with_user(self.admin).unlink()

    def test_inbox_and_outbox_hold_all_companies_messages_and_are_for_the_systems_administrators_to_read(self):
        system = new_test_user(self.env, "iot_system", "base.group_system")
        for model in ("iot.inbox", "iot.outbox"):
            for user in (self.manager, self.admin):
                with self.subTest(model=model, user=user.login), self.assertRaises(AccessError):
                    self.env[model].with_user(user).search([])
            self.env[model].with_user(system).search([])
        with self.assertRaises(AccessError):
            self.env["iot.outbox"].with_user(system).create({"topic": "x", "payload": "y"})

    def test_what_the_bridges_remember_is_for_the_systems_administrators_to_read_and_nobody_to_write(self):
        system = new_test_user(self.env, "iot_system_s", "base.group_system")
        subscriptions = self.env["iot.bridge.subscription"]
        for user in (self.manager, self.admin):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                subscriptions.with_user(user).search([])
        subscriptions.with_user(system).search([])
        with self.assertRaises(AccessError):
            subscriptions.with_user(system).create({"client_id": "sd_bridge", "topic_filter": "dairy/#"})

    def test_no_device_takes_anothers_identity_at_the_broker_by_a_default_in_the_context(self):
        victim = self.new_device("T-77")
        devices = (
            self.env["iot.device"].with_user(self.manager).with_context(default_mqtt_username=victim.mqtt_username)
        )
        values = {"name": "Thief", "device_id": "T-78", "device_type": "temperature", "farm_id": self.hill.id}
        with self.assertRaises(UserError):
            devices.create(values)
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.env.flush_all()
            self.env.cr.execute("UPDATE iot_device SET mqtt_username = %s", [victim.mqtt_username])

    def test_nobody_writes_events_after_the_fact(self):
        for user in (self.user, self.manager, self.admin):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.event_here.with_user(user).write({"severity": "critical"})
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.event_here.with_user(user).unlink()

    def test_a_user_acknowledges_and_resolves_the_alerts_that_he_sees_but_edits_none(self):
        alert = self.alert_here.with_user(self.user)
        alert.action_acknowledge()
        self.assertEqual((alert.state, alert.acknowledged_by_id), ("acknowledged", self.user))
        with self.assertRaises(AccessError):
            alert.write({"message": "Nothing happened"})
        alert.action_resolve()
        self.assertEqual((alert.state, alert.resolved_by_id), ("resolved", self.user))
        for action in ("action_acknowledge", "action_resolve"):
            with self.subTest(action=action), self.assertRaises(AccessError):
                getattr(self.alert_there.with_user(self.user), action)()
