"""The scheduled action that sees that meters are polled, run as by the scheduler, with a poller and without one."""

from contextlib import closing
from datetime import datetime, timedelta, timezone
from unittest.mock import patch

import psycopg2

from odoo import fields
from odoo.tests.common import tagged

from odoo.addons.smart_dairy_iot.dsn import connection_parameters

from ..modbus.health import MeterState
from ..modbus.registry import POLLER_LOCK, write_states
from ..models import iot_modbus_supervision
from .common import MilkCase

LOG = "odoo.addons.smart_dairy_iot_milk.models.iot_modbus_supervision"


@tagged("post_install", "-at_install")
class TestPollerSupervision(MilkCase):
    def setUp(self):
        super().setUp()
        self.env["iot.milk_meter"].search([]).polling_enabled = False
        self.polled = self.make_meter("MM-9", communication_type="modbus_tcp", modbus_port="127.0.0.1:15020")
        self.polled.action_provision()
        self.addCleanup(iot_modbus_supervision._pollers_missing.discard, self.env.cr.dbname)

    def run_cron(self):
        """As the scheduler does: its code, with the rights of its user."""
        self.env.flush_all()
        cron = self.env.ref("smart_dairy_iot_milk.cron_milk_session_supervise")
        self.assertTrue(cron.active)
        self.assertEqual((cron.interval_number, cron.interval_type), (1, "minutes"))
        cron.with_user(cron.user_id).ir_actions_server_id.run()
        self.env.invalidate_all()

    def events(self):
        domain = [("kind", "=", "modbus_poller_missing"), ("farm_id", "=", self.farm.id)]
        return self.env["iot.event"].search(domain)

    def tell(self, ago):
        """Have a poller say how the meter is, so long ago."""
        at = datetime.now(timezone.utc) - ago
        self.env.flush_all()
        write_states(
            self.env.cr, [MeterState(self.polled.id, "polled", at, at, "", 0, 12.0, 1.0, 0)], [self.polled.id], at
        )
        self.env.invalidate_all()

    def poller(self):
        """A connection that holds the poller's lock, as the poller's does; it asks nothing more."""
        connection = psycopg2.connect(**connection_parameters(self.env.cr.dbname))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [POLLER_LOCK])
            self.assertTrue(cursor.fetchone()[0], "no bridge runs beside the tests")
        # PostgreSQL shows a transaction who was there when it looked for the first time.
        self.env.cr.execute("SELECT pg_stat_clear_snapshot()")
        return closing(connection)

    def test_without_a_poller_it_warns_and_records_it_once_and_says_when_there_is_one_again(self):
        self.tell(timedelta(minutes=10))
        with self.assertLogs(LOG, "WARNING") as log:
            self.run_cron()
            self.run_cron()
        self.assertEqual(len(log.output), 1)
        event = self.events()
        self.assertEqual(len(event), 1)
        self.assertIn(self.polled.name, event.message)
        self.assertEqual(self.polled.polling_state, "unpolled")
        with self.poller(), self.assertLogs(LOG) as log:
            self.run_cron()
            self.assertEqual(self.polled.polling_state, "polled")
        self.assertIn("polled again", log.output[0])
        self.assertEqual(self.events(), event)

    def test_with_a_poller_there_is_nothing_to_say(self):
        self.tell(timedelta(minutes=10))
        with self.poller(), self.assertNoLogs(LOG):
            self.run_cron()
        self.assertFalse(self.events())

    def test_a_poller_that_is_not_heard_of_any_more_is_none(self):
        self.tell(timedelta(minutes=10))
        none = patch.object(iot_modbus_supervision, "LONGEST_SILENCE", timedelta(0))
        with self.poller(), none, self.assertLogs(LOG, "WARNING"):
            self.run_cron()
            self.assertEqual(self.polled.polling_state, "unpolled")
        self.assertEqual(len(self.events()), 1)

    def test_it_also_ends_the_milkings_of_which_nothing_was_heard_for_long(self):
        self.message(10, 4.0)
        self.process()
        session = self.sessions()
        self.assertEqual(session.state, "in_progress")
        session.flush_recordset()
        self.env.cr.execute(
            "UPDATE milk_session SET last_received_at = %s WHERE id = %s",
            [fields.Datetime.now() - timedelta(hours=1), session.id],
        )
        self.env.invalidate_all()
        self.polled.polling_enabled = False
        self.run_cron()
        self.assertEqual(session.state, "completed")
