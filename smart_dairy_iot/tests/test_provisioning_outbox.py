"""A broker that takes hashes is told after the commit, and again until it has taken it.

The broker here is a stand-in behind the interface `provisioning.Broker`: it keeps what it was told, and can be away or
refuse. The real tables of EMQX are in tests/integration.
"""

from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, new_test_user, tagged

from ..models import iot_device_auth, iot_provisioning_entry
from ..provisioning import Broker, BrokerBusy, BrokerError, BrokerUnreachable
from .common import IotCase


class HashTakingBroker(Broker):
    """Keeps users as it was told: {username: BrokerUser}, and what became of open connections."""

    takes_hashes = True

    def __init__(self):
        self.known = {}
        self.effects = []
        self.away = None
        self.refused = set()

    def __enter__(self):
        if self.away:
            raise BrokerUnreachable(self.away)
        return self

    def __exit__(self, *exc_info):
        pass

    def apply(self, changes):
        refused = sorted(self.refused & {change.username for change in changes})
        if refused:
            raise BrokerError(f"{', '.join(refused)} refused.")
        for change in changes:
            self.effects.append((change.username, change.effect))
            if change.after is None:
                self.known.pop(change.username, None)
            else:
                self.known[change.username] = change.after
        yield from changes

    def users(self):
        return {}


@tagged("post_install", "-at_install")
class TestProvisioningOutbox(IotCase, HttpCase):
    """An `HttpCase`, so that the cursor which applies the entries sees what the test has not committed."""

    def setUp(self):
        super().setUp()
        self.broker = HashTakingBroker()
        for module in (iot_device_auth, iot_provisioning_entry):
            self.startPatcher(patch.object(module, "broker_for", lambda _config: self.broker))
        self.device = self.new_device("OB-1")
        self.other = self.new_device("OB-2")

    def commit(self):
        """What follows a commit; the entries are applied in the test's own transaction."""
        self.env.flush_all()
        self.env.cr.postcommit.run()
        self.env.invalidate_all()

    def run_cron(self):
        self.env.flush_all()
        self.env["iot.provisioning.entry"]._cron_apply()
        self.env.invalidate_all()

    @contextmanager
    def broker_away(self, sentence="The authentication database cannot be reached."):
        self.broker.away = sentence
        try:
            yield
        finally:
            self.broker.away = None

    def entries(self, device):
        return self.env["iot.provisioning.entry"].search([("username", "=", device.mqtt_username)])

    def wait_for_next_try(self):
        entries = self.env["iot.provisioning.entry"].search([("state", "=", "waiting")])
        entries.next_try_at = fields.Datetime.now()

    def test_the_broker_is_told_after_the_commit_and_gets_the_hash_alone(self):
        password = self.provision(self.device)
        self.assertFalse(self.broker.known)
        self.assertEqual(self.device.broker_state, "waiting")
        self.commit()
        user = self.broker.known["TE_OB-1"]
        self.assertTrue(user.enabled)
        self.assertEqual(user.password.digest, self.device.sudo().mqtt_password_hash)
        self.assertNotIn(password, repr(self.broker.known))
        self.assertEqual(self.entries(self.device).state, "done")
        self.assertEqual(self.device.broker_state, "up_to_date")

    def test_what_an_upgrade_changes_of_rights_waits_even_for_a_broker_that_is_told_at_once(self):
        self.provision(self.device)
        self.commit()
        self.broker.takes_hashes = False
        with self.broker_away(), patch.object(self.env.registry, "ready", False):
            self.env.ref(
                "smart_dairy_iot.topic_temperature_alerts"
            ).topic_pattern = "dairy/{farm_id}/temperature/{device_id}/upgraded"
            self.commit()
        self.assertEqual(self.device.broker_state, "waiting")
        self.run_cron()
        self.assertEqual(self.device.broker_state, "up_to_date")
        self.assertIn("upgraded", repr(self.broker.known["TE_OB-1"]))

    def test_a_broker_that_is_away_is_told_later_and_the_device_says_so(self):
        with self.broker_away():
            self.provision(self.device)
            self.commit()
        self.assertEqual(self.device.broker_state, "waiting")
        self.assertEqual(self.device.broker_error, "The authentication database cannot be reached.")
        self.assertGreater(self.device.broker_next_try, fields.Datetime.now())
        waiting = self.env["iot.device"].search([("broker_state", "=", "waiting")])
        self.assertEqual(waiting.ids, self.device.ids)
        self.wait_for_next_try()
        self.run_cron()
        self.assertIn("TE_OB-1", self.broker.known)
        self.assertEqual(self.device.broker_state, "up_to_date")
        self.assertFalse(self.device.broker_error)

    def test_a_pause_grows_with_every_failure_up_to_a_limit(self):
        now = fields.Datetime.now()
        pauses = [
            (self.env["iot.provisioning.entry"]._next_try(attempts) - now).total_seconds() for attempts in (1, 4, 30)
        ]
        self.assertTrue(2 <= pauses[0] <= 6)
        self.assertTrue(20 <= pauses[1] <= 41)
        self.assertTrue(150 <= pauses[2] <= 301)

    def test_an_entry_is_not_tried_before_its_time_unless_asked(self):
        with self.broker_away():
            self.provision(self.device)
            self.commit()
        self.run_cron()
        self.assertFalse(self.broker.known)
        self.device.action_tell_broker()
        self.commit()
        self.assertIn("TE_OB-1", self.broker.known)

    def test_what_finds_another_at_work_is_not_postponed_so_that_he_carries_it_out_too(self):
        self.provision(self.device)
        with patch.object(HashTakingBroker, "__enter__", side_effect=BrokerBusy("Another process is writing.")):
            self.commit()
        self.assertFalse(self.broker.known)
        entry = self.entries(self.device)
        self.assertEqual((entry.state, entry.attempts), ("waiting", 0))
        self.assertEqual(self.device.broker_error, "Another process is writing.")
        self.run_cron()
        self.assertIn("TE_OB-1", self.broker.known)

    def test_what_is_applied_late_is_what_the_register_says_then(self):
        with self.broker_away():
            self.provision(self.device)
            self.commit()
            self.device.action_decommission()
            self.commit()
        self.wait_for_next_try()
        self.run_cron()
        self.assertFalse(self.broker.known)
        self.assertEqual(set(self.entries(self.device).mapped("state")), {"done"})

    def test_one_user_that_is_refused_does_not_keep_the_others_waiting(self):
        self.broker.refused = {"TE_OB-2"}
        third = self.new_device("OB-3")
        (self.device | self.other | third).action_provision()
        self.commit()
        self.assertEqual(set(self.broker.known), {"TE_OB-1", "TE_OB-3"})
        devices = self.device | self.other | third
        self.assertEqual(devices.mapped("broker_state"), ["up_to_date", "waiting", "up_to_date"])
        self.assertEqual(self.other.broker_error, "TE_OB-2 refused.")

    def test_a_new_password_leaves_the_old_one_good_for_the_hours_of_grace(self):
        self.provision(self.device)
        self.commit()
        first = self.broker.known["TE_OB-1"].password
        self.device.action_rotate_password()
        self.commit()
        user = self.broker.known["TE_OB-1"]
        self.assertNotEqual(user.password, first)
        self.assertEqual(user.previous_password, first)
        remaining = user.previous_until - fields.Datetime.now()
        self.assertTrue(timedelta(hours=23) < remaining <= timedelta(hours=24))
        self.assertEqual(self.broker.effects[-1], ("TE_OB-1", "none"))

    def test_a_password_that_became_known_is_replaced_at_once(self):
        self.provision(self.device)
        self.device.action_rotate_password()
        self.device.action_replace_password()
        self.commit()
        user = self.broker.known["TE_OB-1"]
        self.assertFalse(user.previous_password)
        self.assertFalse(self.device.sudo().mqtt_previous_hash)
        self.assertFalse(self.device.previous_password_until)
        self.assertEqual(self.broker.effects[-1], ("TE_OB-1", "disconnect"))

    def test_a_device_that_is_refused_is_disconnected(self):
        self.provision(self.device)
        self.commit()
        for action in ("action_deactivate", "action_reactivate", "action_decommission"):
            getattr(self.device, action)()
            self.commit()
        effects = [effect for _username, effect in self.broker.effects]
        self.assertEqual(effects, ["none", "disconnect", "none", "disconnect"])
        self.assertFalse(self.broker.known)

    def test_a_device_that_is_deleted_leaves_an_entry_that_removes_its_user(self):
        self.provision(self.device)
        self.commit()
        self.device.with_user(self.admin).unlink()
        self.commit()
        self.assertFalse(self.broker.known)

    def test_a_farm_s_new_code_moves_the_rights_of_all_its_devices_in_one_go(self):
        (self.device | self.other).action_provision()
        self.commit()
        self.hill.code = "HILLTOP"
        self.commit()
        for username, device in (("TE_OB-1", self.device), ("TE_OB-2", self.other)):
            access = self.broker.known[username].access
            own = {device.data_topic, device.status_topic, device.alert_topic, device.ack_topic}
            self.assertEqual(set(access.publish), own)
            self.assertIn(device.config_topic, access.subscribe)
            self.assertIn(device.previous_config_topic, access.subscribe)
        self.assertIn("HILLTOP", self.device.data_topic)

    def test_a_new_way_to_identify_itself_voids_the_password(self):
        self.provision(self.device)
        self.commit()
        self.device.auth_method = "certificate"
        self.commit()
        self.assertFalse(self.device.sudo().mqtt_password_hash)
        self.assertFalse(self.broker.known)
        with self.assertRaises(UserError):
            self.device.action_rotate_password()

    def test_a_device_without_a_farm_is_not_provisioned(self):
        stray = self.env["iot.device"].create({"name": "Stray", "device_id": "OB-9", "device_type": "collar"})
        with self.assertRaises(UserError) as refused:
            stray.action_provision()
        self.assertIn("Stray", str(refused.exception))

    def test_many_devices_are_provisioned_with_a_sheet_and_a_line_in_every_chatter(self):
        devices = self.env["iot.device"].with_user(self.manager)
        for number in range(25):
            devices |= self.new_device(f"MANY-{number}")
        action = devices.action_provision()
        self.assertEqual((action["type"], action["tag"]), ("ir.actions.client", "iot_credentials_sheet"))
        self.commit()
        self.assertEqual(len(self.broker.known), 25)
        for device in devices:
            self.assertTrue(any("Provisioning" in (body or "") for body in device.message_ids.mapped("body")))

    def test_the_outbox_is_for_administrators_to_read_and_for_nobody_to_write(self):
        self.provision(self.device)
        entry = self.entries(self.device)
        self.assertEqual(entry.with_user(self.admin).username, "TE_OB-1")
        stranger = new_test_user(self.env, "outbox_reader", "smart_dairy_farm.group_farm_user")
        for user in (self.manager, stranger):
            with self.assertRaises(AccessError):
                entry.with_user(user).read(["username"])
        with self.assertRaises(AccessError):
            entry.with_user(self.admin).write({"username": "TE_OB-2"})
