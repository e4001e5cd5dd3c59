"""What became of the broker's users when the transaction that changed them ends otherwise than it went.

These tests commit and roll back real transactions of their own, and delete what they made.
"""

import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest.mock import patch

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.exceptions import UserError
from odoo.service.model import retrying
from odoo.tests import tagged
from odoo.tools import mute_logger
from odoo.tools.sql import table_exists

from ..models import iot_device_auth
from ..provisioning import BrokerUnreachable, MosquittoBroker
from .common import IotCase

FARM_CODE = "UNDONE"


class LaterStepFails(Exception):
    """Any error of a later step of the same transaction."""


def acting_without_confirming(config):
    """The real broker, over a line that breaks after a command was carried out and before it is confirmed."""
    broker = MosquittoBroker(config)
    apply = broker.apply

    def apply_unconfirmed(changes):
        list(apply(changes))
        raise BrokerUnreachable("The broker did not answer.")

    broker.apply = apply_unconfirmed
    return broker


def breaking_off_after(count):
    """The real broker, over a line that breaks once, when so many users were confirmed."""

    def broker_for(config):
        broker = MosquittoBroker(config)
        apply = broker.apply

        def apply_some(changes):
            for number, change in enumerate(apply(changes)):
                if number == count:
                    broker.apply = apply
                    raise BrokerUnreachable("The broker closed the connection.")
                yield change

        broker.apply = apply_some
        return broker

    return broker_for


@tagged("post_install", "-at_install")
class TestUndoneProvisioning(IotCase):
    def setUp(self):
        super().setUp()
        with self.transaction() as env:
            farm = env["farm.location"].create({"name": "Undone Farm", "code": FARM_CODE, "tz": "UTC"})
            self.farm_id = farm.id
            self.device_id = (
                env["iot.device"]
                .create({"name": "Undone", "device_id": "UNDONE-1", "device_type": "temperature", "farm_id": farm.id})
                .id
            )
        self.addCleanup(self.forget)

    def forget(self):
        with self.transaction() as env:
            env["iot.device"].browse(self.device_id).exists().unlink()
            env["farm.location"].browse(self.farm_id).unlink()

    @contextmanager
    def transaction(self):
        """An environment in a transaction of its own, committed at the end."""
        with self.registry.cursor() as cr:
            yield api.Environment(cr, SUPERUSER_ID, {})

    @contextmanager
    def undone(self):
        """The same, rolled back at the end."""
        with self.registry.cursor() as cr:
            yield api.Environment(cr, SUPERUSER_ID, {})
            cr.rollback()

    def device(self, env):
        return env["iot.device"].browse(self.device_id)

    def provisioned(self):
        with self.transaction() as env:
            return self.provision(self.device(env))

    def state(self):
        with self.transaction() as env:
            return self.device(env).state

    def known_to_broker(self):
        with MosquittoBroker(self.env["iot.settings"]._get_config()) as broker:
            return "TE_UNDONE-1" in broker.users()

    def check(self, accepted, password):
        with self.transaction() as env:
            (self.assertAccepted if accepted else self.assertRefused)(self.device(env), password)

    def test_a_rolled_back_provisioning_leaves_no_user_behind(self):
        with self.undone() as env:
            password = self.provision(self.device(env))
            self.assertAccepted(self.device(env), password)
        self.assertEqual(self.state(), "provisioning")
        self.check(False, password)
        self.assertFalse(self.known_to_broker())

    def test_a_provisioning_rolled_back_to_a_savepoint_leaves_no_user_once_the_rest_is_committed(self):
        with self.transaction() as env:
            with self.assertRaises(LaterStepFails), env.cr.savepoint():
                password = self.provision(self.device(env))
                raise LaterStepFails
            self.device(env).name = "Committed"
        self.assertEqual(self.state(), "provisioning")
        self.check(False, password)
        self.assertFalse(self.known_to_broker())

    def test_a_request_that_is_repeated_after_a_serialization_failure_provisions_once(self):
        passwords = []

        def provision(env):
            passwords.append(self.provision(self.device(env)))
            if len(passwords) == 1:
                with self.transaction() as other:
                    other["farm.location"].browse(self.farm_id).city = "Elsewhere"
            env["farm.location"].browse(self.farm_id).street = "Here"
            env.flush_all()

        with (
            self.registry.cursor() as cr,
            mute_logger("odoo.sql_db", "odoo.service.model"),
            patch("odoo.service.model.time.sleep"),
        ):
            env = api.Environment(cr, SUPERUSER_ID, {})
            self.device(env).state  # noqa: B018 - the snapshot of the transaction is taken
            retrying(partial(provision, env), env)
        self.assertEqual(len(passwords), 2, "the request was not repeated")
        self.assertEqual(self.state(), "active")
        self.check(False, passwords[0])
        self.check(True, passwords[1])

    def test_a_broker_that_acts_but_does_not_confirm_is_left_without_the_user(self):
        with (
            self.assertRaises(UserError),
            patch.object(iot_device_auth, "broker_for", acting_without_confirming),
            self.registry.cursor() as cr,
        ):
            self.device(api.Environment(cr, SUPERUSER_ID, {})).action_provision()
        self.assertEqual(self.state(), "provisioning")
        self.assertFalse(self.known_to_broker())

    def test_a_rolled_back_deactivation_lets_the_device_in_again(self):
        password = self.provisioned()
        with self.undone() as env:
            self.device(env).action_deactivate()
            self.assertRefused(self.device(env), password)
        self.check(True, password)

    def test_a_rolled_back_reactivation_refuses_the_device_again(self):
        password = self.provisioned()
        with self.transaction() as env:
            self.device(env).action_deactivate()
        with self.undone() as env:
            self.device(env).action_reactivate()
            self.assertAccepted(self.device(env), password)
        self.check(False, password)

    def test_a_rolled_back_decommissioning_or_deletion_lets_the_device_in_again_with_its_password(self):
        password = self.provisioned()
        for action in ("action_decommission", "unlink"):
            with self.subTest(action=action):
                with self.undone() as env:
                    getattr(self.device(env), action)()
                self.check(True, password)

    def test_a_committed_decommissioning_deletes_the_user_from_the_broker(self):
        self.provisioned()
        self.assertTrue(self.known_to_broker())
        with self.transaction() as env:
            self.device(env).action_decommission()
            self.assertTrue(self.known_to_broker(), "until it is certain, the user is only disabled")
        self.assertFalse(self.known_to_broker())

    def test_a_committed_deletion_deletes_the_user_from_the_broker(self):
        self.provisioned()
        with self.transaction() as env:
            self.device(env).unlink()
        self.assertFalse(self.known_to_broker())

    def test_a_rolled_back_move_gives_the_old_topics_back(self):
        password = self.provisioned()
        with self.undone() as env:
            env["farm.location"].browse(self.farm_id).code = "MOVED"
        with self.transaction() as env, self.connected(self.device(env), password) as connection:
            self.assertTrue(connection.may_publish(f"dairy/{FARM_CODE}/temperature/UNDONE-1/data"))
            self.assertFalse(connection.may_publish("dairy/MOVED/temperature/UNDONE-1/data"))

    def test_an_undone_change_of_password_is_told_on_the_device(self):
        self.provisioned()
        with self.undone() as env:
            self.device(env).action_rotate_password()
        with self.transaction() as env:
            notes = self.device(env).message_ids.mapped("body")
        self.assertTrue(any("issue another password" in note for note in notes), notes)

    def test_what_cannot_be_put_back_because_the_broker_is_gone_is_shown_and_put_back_once_it_is_there(self):
        password = self.provisioned()
        gone = patch.object(MosquittoBroker, "__enter__", side_effect=BrokerUnreachable("The broker is gone."))
        with self.registry.cursor() as cr:
            self.device(api.Environment(cr, SUPERUSER_ID, {})).action_deactivate()
            with gone:
                cr.rollback()
        self.check(False, password)
        with self.transaction() as env:
            self.assertEqual(self.device(env).broker_state, "waiting")
            self.assertEqual(self.device(env).broker_error, "The broker is gone.")
            self.device(env).action_tell_broker()
        self.check(True, password)
        with self.transaction() as env:
            self.assertEqual(self.device(env).broker_state, "up_to_date")

    def test_what_is_left_to_tell_is_not_lost_when_the_register_cannot_be_read_at_that_moment(self):
        password = self.provisioned()
        unread = psycopg2.errors.SerializationFailure("could not serialize access")
        with self.registry.cursor() as cr:
            self.device(api.Environment(cr, SUPERUSER_ID, {})).action_deactivate()
            with patch.object(type(self.env["iot.device.auth"]), "_settlement", side_effect=unread):
                cr.rollback()
        self.check(False, password)
        with self.transaction() as env:
            self.assertEqual(self.device(env).broker_state, "waiting")
            self.device(env).action_tell_broker()
        self.check(True, password)

    def test_a_user_that_could_not_be_deleted_because_the_broker_is_gone_is_deleted_once_it_is_there(self):
        self.provisioned()
        gone = patch.object(MosquittoBroker, "__enter__", side_effect=BrokerUnreachable("The broker is gone."))
        with ExitStack() as until_committed, self.transaction() as env:
            self.device(env).action_decommission()
            until_committed.enter_context(gone)
        self.assertTrue(self.known_to_broker())
        with self.transaction() as env:
            env["iot.provisioning.entry"].search([("state", "=", "waiting")]).action_apply()
        self.assertFalse(self.known_to_broker())

    def test_what_one_action_puts_back_does_not_undo_what_another_has_told_since(self):
        password = self.provisioned()
        with self.registry.cursor() as cr:
            self.device(api.Environment(cr, SUPERUSER_ID, {})).action_deactivate()
            follower = threading.Thread(target=self.deactivate)
            # It waits for its turn, and has it between the first one's end and what that puts back, or after.
            follower.start()
            cr.rollback()
        follower.join(30)
        self.assertFalse(follower.is_alive())
        self.assertEqual(self.state(), "inactive")
        self.check(False, password)

    def test_what_another_action_commits_while_one_is_about_to_put_back_is_seen(self):
        password = self.provisioned()
        follower = threading.Thread(target=self.deactivate)

        def exists_while_another_commits(cr, table):
            found = table_exists(cr, table)
            if threading.current_thread() is not follower:
                follower.start()
                follower.join(30)
            return found

        with (
            patch.object(iot_device_auth, "table_exists", exists_while_another_commits),
            self.registry.cursor() as cr,
        ):
            self.device(api.Environment(cr, SUPERUSER_ID, {})).action_deactivate()
            cr.rollback()
        self.assertEqual(self.state(), "inactive")
        self.check(False, password)

    def deactivate(self):
        with self.transaction() as env:
            self.device(env).action_deactivate()

    def test_a_bulk_action_that_breaks_off_half_way_leaves_no_user_behind(self):
        with self.transaction() as env:
            others = env["iot.device"].create(
                [
                    {"name": f"Undone {n}", "device_id": f"UNDONE-X{n}", "device_type": "temperature", "farm_id": farm}
                    for n, farm in enumerate([self.farm_id] * 120)
                ]
            )
            self.addCleanup(self.forget_devices, others.ids)
        with (
            self.assertRaises(UserError),
            patch.object(iot_device_auth, "broker_for", breaking_off_after(60)),
            self.registry.cursor() as cr,
        ):
            api.Environment(cr, SUPERUSER_ID, {})["iot.device"].browse(others.ids).action_provision()
        with self.transaction() as env:
            self.assertEqual(set(env["iot.device"].browse(others.ids).mapped("state")), {"provisioning"})
            config = env["iot.settings"]._get_config()
        with MosquittoBroker(config) as broker:
            self.assertFalse([username for username in broker.users() if username.startswith("TE_UNDONE-X")])

    def forget_devices(self, ids):
        with self.transaction() as env:
            env["iot.device"].browse(ids).unlink()
