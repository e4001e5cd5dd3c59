"""What differs between a real broker and the register is found, shown and mended.

The broker is told after commits, so these tests commit transactions of their own and take back what they made.
"""

from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from odoo import SUPERUSER_ID, api, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..provisioning import BrokerUser, Change, DeviceAccess, FoundUser, MosquittoBroker
from .common import IotCase
from .screens import ScreenCase

FARM_CODE = "DRIFT"
USERNAME = "TE_DRIFT-1"
FOREIGN = "drift_dashboard"


@tagged("post_install", "-at_install")
class TestDriftAtTheBroker(IotCase):
    def setUp(self):
        super().setUp()
        with self.transaction() as env:
            farm = env["farm.location"].create({"name": "Drift Farm", "code": FARM_CODE, "tz": "UTC"})
            self.farm_id = farm.id
            device = env["iot.device"].create(
                {"name": "Drifting", "device_id": "DRIFT-1", "device_type": "temperature", "farm_id": farm.id}
            )
            self.device_id = device.id
        self.addCleanup(self.forget)
        with self.transaction() as env:
            self.password = self.provision(self.device(env))

    def forget(self):
        with self.transaction() as env:
            self.device(env).exists().unlink()
            env["farm.location"].browse(self.farm_id).unlink()
            env["iot.broker.drift"].search([]).unlink()
            env["iot.broker.check"].search([]).unlink()
        self.at_broker(Change(FOREIGN, "", None))

    @contextmanager
    def transaction(self):
        """The platform's environment in a transaction of its own, committed at the end."""
        with self.registry.cursor() as cr:
            yield api.Environment(cr, SUPERUSER_ID, {})

    def device(self, env):
        return env["iot.device"].browse(self.device_id)

    def config(self):
        return self.env["iot.settings"]._get_config()

    def at_broker(self, *changes):
        """Change the broker's users behind the register's back."""
        with MosquittoBroker(self.config()) as broker:
            list(broker.apply(list(changes)))

    def registered_user(self):
        """The device's user as the register has it."""
        with self.transaction() as env:
            return self.device(env)._broker_users()[self.device_id]

    def check(self):
        """Let the scheduled action run; returns the last check's problem."""
        with self.transaction() as env:
            env.ref("smart_dairy_iot.cron_check_broker").ir_actions_server_id.run()
        with self.transaction() as env:
            return env["iot.broker.check"].search([]).problem

    def drift(self, env, username=USERNAME):
        """The row of a user that is not mended yet."""
        return env["iot.broker.drift"].search([("username", "=", username), ("state", "!=", "mended")])

    def found(self, username=USERNAME):
        """(kind, details, state) of that row, None where there is none."""
        with self.transaction() as env:
            row = self.drift(env, username)
            return (row.kind, row.details, row.state) if row else None

    def act(self, action, username=USERNAME):
        """Press a button of the row, and commit."""
        with self.transaction() as env:
            return getattr(self.drift(env, username), action)()

    def add_foreign_user(self):
        access = DeviceAccess(FOREIGN, "drift_dashboard_1", subscribe=("dairy/DRIFT/events",))
        self.at_broker(
            Change(FOREIGN, access.client_id, BrokerUser(access, enabled=True), password="typed by somebody")
        )

    def delete_user(self):
        self.at_broker(Change(USERNAME, "sd_DRIFT-1", None))

    def test_what_is_as_the_register_says_is_not_listed_nor_are_the_platform_s_own_users(self):
        self.assertFalse(self.check())
        config = self.config()
        for username in (USERNAME, config.mqtt_bridge_username, config.mqtt_admin_username):
            self.assertIsNone(self.found(username))

    def test_a_foreign_user_is_found_with_what_it_may_do_and_removed_on_request(self):
        self.add_foreign_user()
        self.check()
        kind, details, state = self.found(FOREIGN)
        self.assertEqual((kind, state), ("foreign", "open"))
        self.assertIn("subscribe to dairy/DRIFT/events", details)
        with self.assertRaisesRegex(UserError, "belongs to no device"):
            self.act("action_mend", FOREIGN)
        self.act("action_remove", FOREIGN)
        self.assertIsNone(self.found(FOREIGN), "the row closes itself as soon as the broker has been told")
        with MosquittoBroker(self.config()) as broker:
            self.assertNotIn(FOREIGN, broker.users())

    def test_of_a_mixed_selection_what_can_be_mended_is_and_the_rest_stays_listed(self):
        self.add_foreign_user()
        self.at_broker(Change(USERNAME, "sd_DRIFT-1", replace(self.registered_user(), enabled=False)))
        self.check()
        with self.transaction() as env:
            env["iot.broker.drift"].search([("username", "in", [FOREIGN, USERNAME])]).action_mend()
        self.assertIsNone(self.found())
        self.assertEqual(self.found(FOREIGN)[0], "foreign")

    def test_a_foreign_user_that_is_ignored_stays_so_until_it_is_gone(self):
        self.add_foreign_user()
        self.check()
        self.act("action_ignore", FOREIGN)
        self.check()
        self.assertEqual(self.found(FOREIGN)[2], "ignored")
        self.at_broker(Change(FOREIGN, "", None))
        self.check()
        self.assertIsNone(self.found(FOREIGN))

    def test_a_user_the_broker_has_lost_needs_a_new_password_and_is_mended_by_it(self):
        self.delete_user()
        self.check()
        kind, details, _state = self.found()
        self.assertEqual(kind, "missing")
        self.assertIn("issue a new one", details)
        with self.assertRaisesRegex(UserError, "New Password"):
            self.act("action_mend")
        password = self.act("action_new_password")["context"]["default_mqtt_password"]
        self.assertIsNone(self.found())
        with self.transaction() as env:
            self.assertAccepted(self.device(env), password)

    def test_rights_changed_behind_the_register_s_back_are_named_and_put_back(self):
        user = self.registered_user()
        topic = "dairy/DRIFT/temperature/DRIFT-1/data"
        stolen = replace(user.access, publish=("dairy/DRIFT/temperature/DRIFT-2/data",))
        self.at_broker(Change(USERNAME, "sd_DRIFT-1", replace(user, access=stolen)))
        self.check()
        kind, details, _state = self.found()
        self.assertEqual(kind, "stale")
        self.assertIn("may publish to dairy/DRIFT/temperature/DRIFT-2/data, and must not", details)
        self.assertIn("may not publish to", details)
        self.act("action_mend")
        self.assertIsNone(self.found())
        with self.transaction() as env, self.connected(self.device(env), self.password) as connection:
            self.assertTrue(connection.may_publish(topic))
            self.assertFalse(connection.may_publish(stolen.publish[0]))

    def test_a_user_that_was_disabled_behind_the_register_s_back_is_let_in_again_with_its_password(self):
        user = self.registered_user()
        self.at_broker(Change(USERNAME, "sd_DRIFT-1", replace(user, enabled=False)))
        self.check()
        self.assertEqual(self.found()[:2], ("stale", "It is refused and has to be let in."))
        self.act("action_mend")
        self.assertIsNone(self.found())
        with self.transaction() as env:
            self.assertAccepted(self.device(env), self.password)

    def test_a_user_of_whom_the_broker_is_yet_to_be_told_is_no_drift(self):
        with self.transaction() as env:
            entry = env["iot.provisioning.entry"].create(
                {
                    "username": USERNAME,
                    "effect": "none",
                    "next_try_at": fields.Datetime.now() + timedelta(days=1),
                }
            )
        self.delete_user()
        self.check()
        self.assertIsNone(self.found())
        with self.transaction() as env:
            env["iot.provisioning.entry"].browse(entry.id).unlink()
        self.check()
        self.assertEqual(self.found()[0], "missing")

    def test_a_broker_that_is_away_is_told_in_a_sentence_and_what_was_found_before_stays(self):
        self.add_foreign_user()
        self.check()
        with self.broker_out_of_reach():
            problem = self.check()
            self.assertRegex(problem, r"cannot be reached.*\.$")
            with self.assertRaisesRegex(UserError, "cannot be reached"), self.transaction() as env:
                env["iot.broker.drift"].action_check_now()
            with self.transaction() as env:
                self.assertEqual(env["iot.broker.check"].summary()["problem"], problem)
        self.assertEqual(self.found(FOREIGN)[0], "foreign")
        self.assertFalse(self.check(), "the next check that gets an answer says so")


@tagged("post_install", "-at_install")
class TestDriftRows(IotCase):
    """What is made of the broker's answer; the answer is made up here."""

    def setUp(self):
        super().setUp()
        self.device = self.new_device()
        self.provision(self.device)
        self.wanted = self.device._broker_users()[self.device.id]
        access = self.wanted.access
        self.present = FoundUser(
            access.username,
            access.client_id,
            True,
            frozenset(access.publish),
            frozenset(access.subscribe),
            self.wanted.password,
        )

    def note(self, *found, tells_passwords=True):
        """Note that just these users were found at the broker; returns the rows that are not mended."""
        rows = self.env["iot.broker.drift"]
        rows._note({user.username: user for user in found}, set(), tells_passwords, datetime.max)
        return self.rows()

    def rows(self):
        return self.env["iot.broker.drift"].search(
            [("username", "in", ("TE_T-1", "dashboard")), ("state", "!=", "mended")]
        )

    def test_a_broker_that_takes_hashes_gets_a_missing_user_without_a_new_password(self):
        row = self.note()
        self.assertEqual((row.kind, row.iot_device_id, row.needs_password), ("missing", self.device, False))
        row.action_mend()
        self.assertEqual(
            self.env["iot.provisioning.entry"].search([("username", "=", "TE_T-1")], limit=1).state, "waiting"
        )
        self.assertTrue(row.is_under_way)

    def test_a_broker_that_wants_the_password_itself_does_not(self):
        self.assertTrue(self.note(tells_passwords=False).needs_password)

    def test_a_difference_that_stays_keeps_its_row_and_closes_when_it_is_gone(self):
        row = self.note()
        self.assertEqual(self.note(), row)
        self.assertFalse(self.note(self.present))
        self.assertEqual(row.state, "mended")
        self.assertTrue(row.mended_at)
        self.assertNotEqual(self.note(), row, "what comes back is a finding of its own")

    def test_an_ignored_user_that_becomes_something_else_is_shown_again(self):
        dashboard = replace(self.present, username="dashboard")
        self.note(self.present, dashboard).action_ignore()
        self.assertEqual(self.note(self.present, dashboard).state, "ignored")
        self.device.sudo().write({"mqtt_username": "dashboard"})
        rows = self.note(dashboard, self.present)
        self.assertEqual(set(rows.mapped("state")), {"open"})

    def test_users_of_a_device_that_is_to_have_none_are_foreign_and_named_with_it(self):
        self.device.action_decommission()
        row = self.note(self.present)
        self.assertEqual((row.kind, row.iot_device_id), ("foreign", self.device))
        self.assertIn(self.device.name, row.details)

    def test_an_archived_device_s_user_has_to_be_refused(self):
        self.device.action_archive()
        self.assertEqual(self.note(self.present).details, "It is let in and has to be refused.")
        self.assertFalse(self.note(replace(self.present, enabled=False)))

    def test_only_farm_administrators_see_and_act(self):
        row = self.note(replace(self.present, username="dashboard"), self.present)
        with self.assertRaises(AccessError):
            row.with_user(self.manager).action_ignore()
        for name in ("action_check_now", "summary"):
            with self.assertRaises(AccessError):
                getattr(self.env["iot.broker.check"].with_user(self.manager), name)()
        row.with_user(self.admin).action_ignore()
        self.assertEqual(row.state, "ignored")
        row.with_user(self.admin).action_watch()
        self.assertEqual(row.state, "open")

    def test_nobody_writes_a_name_into_a_row_to_have_that_user_removed(self):
        row = self.note(replace(self.present, username="dashboard"), self.present)
        with self.assertRaises(AccessError):
            row.with_user(self.admin).write({"username": "sd_bridge"})

    def test_only_foreign_users_are_ignored_or_removed(self):
        row = self.note()
        for action in ("action_ignore", "action_remove"):
            with self.assertRaisesRegex(UserError, "mend them instead"):
                getattr(row, action)()


@tagged("post_install", "-at_install")
class TestDriftScreen(ScreenCase):
    def test_the_list_tells_of_the_last_check_and_checks_now(self):
        self.env["iot.broker.check"].create({"checked_at": "2026-03-01 06:30:00", "problem": "It was away."})
        self.run_in_browser(
            "/web#action=smart_dairy_iot.iot_broker_drift_action",
            """
            await shown(".o_broker_last_check.alert-danger", "failed: It was away.");
            (await shown("button[name=action_check_now]")).click();
            await shown(".o_broker_last_check:not(.alert-danger)", "Checked");
            """,
        )
