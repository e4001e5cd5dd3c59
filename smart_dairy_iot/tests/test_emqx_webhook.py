"""EMQX's reports become what the device's form shows; nobody else's do."""

import json
import time
from datetime import datetime, timedelta
from unittest.mock import patch

from odoo.tests import HttpCase, new_test_user, tagged

from ..provisioning.emqx_events import FRESH_SECONDS, sign

SECRET = "known to the broker and to us"
ADDRESS = "/iot/emqx/webhook"


@tagged("post_install", "-at_install")
class TestEmqxWebhook(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.farm = cls.env["farm.location"].create({"name": "Hill Farm", "code": "HILL", "tz": "UTC"})
        cls.device = cls.env["iot.device"].create(
            {"name": "T-1", "device_id": "T-1", "device_type": "temperature", "farm_id": cls.farm.id}
        )

    def setUp(self):
        super().setUp()
        self.use_secret(SECRET)
        self.now = int(time.time())

    def use_secret(self, secret):
        self.startPatcher(patch.dict("os.environ", {"SMART_DAIRY_EMQX_WEBHOOK_PASSWORD": secret}))

    def report(self, event="client.connected", seconds=0, secret=SECRET, **changes):
        """What Odoo answers to a report of so many seconds from now."""
        fields = {
            "event": event,
            "clientid": "sd_T-1",
            "username": "TE_T-1",
            "timestamp": (self.now + seconds) * 1000,
            "peername": "10.1.2.3:40000",
            "reason": "",
            **changes,
        }
        return self.post(json.dumps({**fields, "signature": sign(fields, secret)}))

    def post(self, body):
        headers = {"Content-Type": "application/json"}
        answer = self.opener.post(self.base_url() + ADDRESS, data=body, headers=headers, timeout=120)
        self.env.invalidate_all()
        return answer

    def at(self, seconds):
        """The moment so many seconds from now as the device's fields have it."""
        return datetime(1970, 1, 1) + timedelta(seconds=self.now + seconds)

    def rows(self):
        self.env.cr.execute("SELECT count(*) FROM iot_device_connection")
        return self.env.cr.fetchone()[0]

    def test_a_device_that_was_let_in_shows_when_and_from_where(self):
        answer = self.report()
        self.assertEqual((answer.status_code, answer.text), (204, ""))
        self.assertEqual((self.device.last_login, self.device.connection_ip), (self.at(0), "10.1.2.3"))
        self.assertFalse(self.device.last_disconnection)

    def test_a_report_is_noted_at_the_first_attempt(self):
        with self.assertNoLogs("odoo.http", level="WARNING"):
            self.report()

    def test_a_device_that_left_shows_when_and_why_and_still_its_last_login(self):
        self.report()
        self.report("client.disconnected", 5, reason="keepalive_timeout")
        self.assertEqual(
            (self.device.last_disconnection, self.device.disconnect_reason), (self.at(5), "keepalive_timeout")
        )
        self.assertEqual(self.device.last_login, self.at(0))

    def test_the_address_typed_into_the_register_is_left_as_it_is(self):
        self.device.ip_address = "192.168.7.7"
        self.report()
        self.assertEqual(self.device.ip_address, "192.168.7.7")

    def test_reports_that_come_late_or_twice_never_overwrite_newer_ones(self):
        self.report(seconds=10)
        self.report(seconds=-10, peername="10.9.9.9:1")
        self.assertEqual((self.device.last_login, self.device.connection_ip), (self.at(10), "10.1.2.3"))
        self.report("client.disconnected", 20, reason="later")
        self.assertEqual(self.report("client.disconnected", 15, reason="earlier").status_code, 204)
        self.assertEqual((self.device.last_disconnection, self.device.disconnect_reason), (self.at(20), "later"))

    def test_the_end_of_a_connection_that_is_reported_before_its_beginning_is_kept_beside_it(self):
        self.report("client.disconnected", 5, reason="tcp_closed")
        self.report(seconds=0)
        self.assertEqual((self.device.last_login, self.device.last_disconnection), (self.at(0), self.at(5)))

    def test_a_device_that_connects_anew_over_its_own_connection_has_not_left(self):
        self.report()
        for reason in ("takenover", "discarded"):
            self.assertEqual(self.report("client.disconnected", 5, reason=reason).status_code, 204)
        self.assertFalse(self.device.last_disconnection)

    def test_users_that_are_no_devices_are_passed_over(self):
        for changes in ({"username": "sd_bridge"}, {"clientid": "sd_T-2"}):
            self.assertEqual(self.report(**changes).status_code, 204)
        self.assertEqual(self.rows(), 0)

    def test_without_the_secret_nothing_is_taken(self):
        answer = self.report(secret="guessed")
        self.assertEqual((answer.status_code, answer.text), (403, ""))
        self.assertEqual(self.rows(), 0)

    def test_an_old_report_and_one_of_the_future_are_refused_though_well_signed(self):
        for seconds in (-FRESH_SECONDS - 60, FRESH_SECONDS + 60):
            self.assertEqual(self.report(seconds=seconds).status_code, 403)
        self.assertEqual(self.rows(), 0)

    def test_whatever_is_no_report_is_refused_without_an_error_in_the_log(self):
        for body in ("", "{", "[]", '"text"', "[" * 4000, json.dumps({"event": "client.connected"})):
            self.assertEqual(self.post(body).status_code, 403, body[:20])

    def test_a_body_that_is_too_large_is_not_read(self):
        self.assertEqual(self.post(" " * 5000).status_code, 413)

    def test_a_body_that_does_not_tell_its_size_is_not_read(self):
        self.assertEqual(self.post(iter([b" " * 5000])).status_code, 413)

    def test_while_no_secret_is_set_there_is_no_such_address(self):
        self.use_secret("")
        self.assertEqual(self.report(secret="").status_code, 404)
        self.assertEqual(self.report().status_code, 404)

    def test_the_broker_gets_no_session(self):
        self.assertNotIn("session_id", self.report().cookies)

    def test_a_device_that_is_deleted_takes_what_was_reported_with_it(self):
        self.report()
        self.assertEqual(self.rows(), 1)
        self.device.unlink()
        self.assertEqual(self.rows(), 0)

    def test_what_was_reported_is_seen_by_those_who_see_the_device(self):
        self.report()
        user = new_test_user(self.env, "webhook_user", "smart_dairy_farm.group_farm_user")
        connections = self.env["iot.device.connection"].with_user(user)
        self.assertEqual(connections.search([]).iot_device_id, self.device)
        self.farm.user_ids = self.env.ref("base.user_admin")
        self.assertFalse(connections.search([]))
