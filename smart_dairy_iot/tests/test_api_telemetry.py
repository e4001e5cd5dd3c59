"""What devices without MQTT send over HTTP has the same checks, dead letters and tables as over the broker."""

import json
from datetime import timedelta
from unittest.mock import Mock, patch

import psycopg2

from odoo import fields
from odoo.tests import tagged

from ..bridge.config import Config
from ..bridge.ingestion import Ingestion, IngestionUnavailable
from ..bridge.store import Store
from ..telemetry.retention import retention_by_type
from .api import ApiCase
from .shared_connection import SharedConnection

PATH = "/devices/T-1/telemetry"
TWO_YEARS = retention_by_type((), Config())


@tagged("post_install", "-at_install")
class TestApiTelemetry(ApiCase):
    def setUp(self):
        super().setUp()
        self.device = self.new_device("T-1")
        self.own = self.basic(self.device, self.provision(self.device))
        self.now = fields.Datetime.now()
        store = Store(self.env["iot.settings"]._telemetry_specs())
        ingestion = Ingestion({}, store, TWO_YEARS, connect=lambda *_arguments: SharedConnection(self.env.cr))
        self.startPatcher(patch.object(type(self.env["iot.ingestion"]), "_ingestion", lambda _model: ingestion))

    def message(self, seconds=0, **values):
        """A reading of so many seconds ago."""
        timestamp = (self.now - timedelta(seconds=seconds)).isoformat() + "Z"
        return {"device_id": "T-1", "timestamp": timestamp, "temperature": 4.5, **values}

    def send(self, body, caller=None, query="", **options):
        return self.call("POST", PATH + query, caller or self.own, json=body, **options)

    def readings(self):
        return self.env["iot.temperature.reading"].search([("iot_device_id", "=", self.device.id)])

    def letters(self):
        return self.env["iot.dead.letter"].search([("iot_device_id", "=", self.device.id)], order="id")

    def test_a_device_sends_a_reading_and_is_online(self):
        response = self.send(self.message(temperature=6.25))
        self.assertEqual(response.status_code, 200, response.text)
        self.assertEqual(
            response.json(),
            {
                "success": True,
                "received": 1,
                "stored": 1,
                "duplicates": 0,
                "dead_letters": 0,
                "results": [{"outcome": "stored", "reason": None, "detail": None}],
            },
        )
        self.assertEqual(self.readings().mapped("temperature"), [6.25])
        self.assertTrue(self.device.is_online)

    def test_a_repetition_is_a_duplicate_and_stored_once(self):
        self.send(self.message())
        response = self.send(self.message())
        self.assertEqual((response.status_code, response.json()["duplicates"]), (200, 1))
        self.assertEqual(len(self.readings()), 1)

    def test_of_a_list_each_message_has_its_outcome_and_what_is_wrong_is_a_dead_letter(self):
        wrong = self.message(2, temperature="warm")
        response = self.send([self.message(1), wrong, self.message(3), "no object"])
        self.assertEqual(response.status_code, 207, response.text)
        body = response.json()
        self.assertTrue(body["success"])
        self.assertEqual((body["received"], body["stored"], body["duplicates"], body["dead_letters"]), (4, 2, 0, 2))
        outcomes = [(result["outcome"], result["reason"]) for result in body["results"]]
        self.assertEqual(
            outcomes, [("stored", None), ("dead_letter", "schema"), ("stored", None), ("dead_letter", "schema")]
        )
        self.assertEqual(self.letters().mapped("topic"), [self.device.data_topic] * 2)
        self.assertEqual(json.loads(self.letters()[0].payload_text), wrong)
        self.assertEqual(len(self.readings()), 2)

    def test_where_nothing_was_stored_it_is_an_error_that_says_why(self):
        for body in (self.message(device_id="T-2"), [self.message(device_id="T-2")]):
            response = self.send(body)
            self.assertError(response, 422, "invalid_payload")
            self.assertIn("T-2", response.json()["error"]["message"])
            self.assertEqual(response.json()["results"][0]["reason"], "device_mismatch")
        self.assertEqual(self.letters().mapped("reason"), ["device_mismatch"] * 2)

    def test_the_bytes_of_a_single_message_are_kept_as_they_were_sent(self):
        raw = b'{"device_id" : "T-1",   "temperature": 1}'
        headers = {**self.own, "Content-Type": "application/json"}
        response = self.call("POST", PATH, None, data=raw, headers=headers)
        self.assertEqual(response.status_code, 422)
        self.env.cr.execute("SELECT payload FROM iot_dead_letter WHERE id = %s", [self.letters().id])
        self.assertEqual(bytes(self.env.cr.fetchone()[0]), raw)

    def test_what_is_no_message_at_all_is_refused_and_kept_nowhere(self):
        headers = {**self.own, "Content-Type": "application/json"}
        bodies = [b"", b"{", b"3", b'"text"', b"null", b"[]", json.dumps([{}] * 501).encode(), b'{"a": "\xff"}']
        for raw in (*bodies, b"[" + b"[" * 400 + b"]" * 400 + b"]"):
            self.assertError(self.call("POST", PATH, None, data=raw, headers=headers), 400, "invalid_request")
        self.assertFalse(self.letters())

    def test_a_status_and_an_alert_go_to_the_inbox(self):
        for message_type, values, kind in (
            ("status", {"status": "online"}, "device_status"),
            ("alerts", {"alert_type": "battery_low", "severity": "low", "message": "20 %"}, "device_alert"),
        ):
            timestamp = self.message()["timestamp"]
            body = {"device_id": "T-1", "timestamp": timestamp, **values}
            response = self.send(body, query=f"?message_type={message_type}")
            self.assertEqual(response.status_code, 200, response.text)
            entry = self.env["iot.inbox"].search([("kind", "=", kind), ("iot_device_id", "=", self.device.id)])
            self.assertEqual(entry.payload, body)

    def test_a_message_type_that_no_device_publishes_is_refused(self):
        for message_type in ("commands", "config", ""):
            self.assertError(self.send(self.message(), query=f"?message_type={message_type}"), 400, "invalid_request")

    def test_a_manager_may_send_for_a_device_and_a_user_may_not(self):
        self.assertEqual(self.send(self.message(), "manager").status_code, 200)
        self.assertError(self.send(self.message(), "user"), 403, "forbidden")

    def test_a_device_sends_for_itself_alone_and_a_manager_not_for_a_farm_that_he_does_not_see(self):
        self.new_device("T-2")
        self.new_device("V-1", farm=self.valley, user=self.admin)
        self.assertError(self.call("POST", "/devices/T-2/telemetry", self.own, json=self.message()), 404, "not_found")
        self.assertError(self.call("POST", "/devices/V-1/telemetry", "manager", json=self.message()), 404, "not_found")

    def test_a_device_that_is_no_longer_in_service_is_not_let_in(self):
        self.device.action_deactivate()
        self.assertError(self.send(self.message()), 401, "unauthorized")
        response = self.send(self.message(), "manager")
        self.assertError(response, 422, "invalid_payload")
        self.assertEqual(response.json()["results"][0]["reason"], "not_allowed")

    def test_a_repetition_with_an_idempotency_key_gets_the_first_answer(self):
        for replayed in (None, "true"):
            response = self.send(self.message(), headers={"Idempotency-Key": "one"})
            self.assertEqual((response.status_code, response.json()["stored"]), (200, 1))
            self.assertEqual(response.headers.get("Idempotency-Replayed"), replayed)
        self.assertEqual(len(self.readings()), 1)

    def test_where_the_store_takes_nothing_the_device_is_told_to_come_again(self):
        for path, body in ((PATH, self.message()), ("/devices/T-1/heartbeat", None)):
            with patch.object(Ingestion, "_connection", side_effect=IngestionUnavailable("the database is away")):
                response = self.call("POST", path, self.own, json=body)
            self.assertError(response, 503, "unavailable")
            self.assertTrue(response.headers["Retry-After"])

    def test_what_the_database_says_is_not_told_to_whoever_sends(self):
        said = 'connection to server at "db.example" failed: password authentication failed for user "odoo"'
        connect = Mock(side_effect=psycopg2.OperationalError(said))
        dead = Ingestion({}, Store(()), TWO_YEARS, connect=connect)
        with patch.object(type(self.env["iot.ingestion"]), "_ingestion", lambda _model: dead):
            response = self.send(self.message())
        self.assertError(response, 503, "unavailable")
        self.assertNotIn("odoo", response.text)

    def test_a_heartbeat_is_a_sign_of_life_and_answers_the_time(self):
        self.assertFalse(self.device.is_online)
        before = fields.Datetime.now()
        response = self.call("POST", "/devices/T-1/heartbeat", self.own)
        self.assertEqual(response.status_code, 200, response.text)
        self.assertTrue(self.device.is_online)
        self.assertGreaterEqual(self.device.last_seen, before)
        self.assertEqual(response.json()["timestamp"], self.device.last_seen.isoformat(timespec="seconds") + "Z")
        self.assertFalse(self.device.messages_received)

    def test_a_heartbeat_is_for_the_device_itself(self):
        self.new_device("T-2")
        self.assertError(self.call("POST", "/devices/T-1/heartbeat", "admin"), 403, "forbidden")
        self.assertError(self.call("POST", "/devices/T-2/heartbeat", self.own), 404, "not_found")
        self.assertError(self.call("POST", "/devices/T-1/heartbeat", None), 401, "unauthorized")
