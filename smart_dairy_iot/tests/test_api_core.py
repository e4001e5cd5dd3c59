"""What holds for every endpoint of the REST API: who is let in, what is refused and how, what is kept of it."""

import json
import os
from datetime import timedelta
from unittest.mock import patch

import psycopg2
from freezegun import freeze_time

from odoo import fields, http
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..controllers.api import callers, devices
from ..controllers.api.limits import RateLimiter
from .api import ApiCase

PROVISION = "/devices/T-1/provision"


@tagged("post_install", "-at_install")
class TestApiCore(ApiCase):
    def setUp(self):
        super().setUp()
        self.device = self.new_device("T-1")

    def set_up(self, **settings):
        """Settings that hold for the test."""
        environ = {f"SMART_DAIRY_{name.upper()}": str(value) for name, value in settings.items()}
        self.startPatcher(patch.dict(os.environ, environ))

    def trail(self):
        return self.env["iot.api.request"].search([])

    def body(self, device_id="T-2"):
        return {"name": "Tank", "device_id": device_id, "device_type": "temperature", "farm_id": self.hill.id}

    # ------------------------------------------------------------------ callers

    def test_without_or_with_wrong_credentials_nothing_is_told(self):
        for headers in (
            {},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Bearer wr\0ng"},
            {"Authorization": "Basic !"},
            {"Authorization": "Basic Zm9vOmJhcg=="},
            {"Authorization": f"Bearer {self.keys['user'][:-1]}"},
            {"Authorization": self.keys["user"]},
            self.basic(self.device, ""),
        ):
            response = self.call("GET", "/devices/T-1", headers)
            self.assertError(response, 401, "unauthorized")
            self.assertIn("Bearer", response.headers["WWW-Authenticate"])

    def test_a_session_of_the_web_client_is_no_credential(self):
        self.authenticate("iot_manager", "iot_manager")
        self.assertError(self.call("GET", "/devices/T-1", {}), 401, "unauthorized")

    def test_the_key_of_a_user_who_was_archived_is_void(self):
        self.user.sudo().active = False
        self.assertError(self.call("GET", "/devices/T-1", "user"), 401, "unauthorized")

    def test_nobody_gets_a_session(self):
        self.assertNotIn("session_id", self.call("GET", "/devices/T-1").cookies)

    def test_a_device_may_call_while_it_may_connect(self):
        own = self.basic(self.device, self.provision(self.device))
        self.assertEqual(self.call("GET", "/devices/T-1", own).status_code, 200)
        self.device.action_set_maintenance()
        self.assertEqual(self.call("GET", "/devices/T-1", own).status_code, 200)
        self.device.action_reactivate()
        self.device.action_deactivate()
        self.assertError(self.call("GET", "/devices/T-1", own), 401, "unauthorized")
        self.device.action_reactivate()
        self.device.active = False
        self.assertError(self.call("GET", "/devices/T-1", own), 401, "unauthorized")

    def test_the_password_before_is_good_until_its_grace_ends(self):
        old = self.basic(self.device, self.provision(self.device))
        stored = self.device.sudo()
        stored.write({"mqtt_previous_hash": stored.mqtt_password_hash, "mqtt_previous_salt": stored.mqtt_password_salt})
        stored.write({"mqtt_password_hash": "0" * 64})
        for minutes, status in ((1, 200), (-1, 401)):
            stored.previous_password_until = fields.Datetime.now() + timedelta(minutes=minutes)
            self.assertEqual(self.call("GET", "/devices/T-1", old).status_code, status)

    def test_other_addons_find_the_parameters_of_a_request_as_they_do_elsewhere(self):
        found = []
        ir_http = self.env.registry["ir.http"]
        post_dispatch = ir_http._post_dispatch

        def look(response):
            found.append(http.request.params)
            return post_dispatch(response)

        with patch.object(ir_http, "_post_dispatch", look):
            self.call("GET", "/devices/T-1")
        self.assertEqual(found, [{"id": "T-1"}])

    # ------------------------------------------------------------------ refusals

    def test_what_is_at_no_address_is_json_too(self):
        for path in ("", "/", "/nothing", "//x", "/devices/T-1/nothing", "/devices/%00/config"):
            for method in ("GET", "PUT"):
                self.assertError(self.call(method, path, json={}), 404, "not_found")
        self.assertError(self.call("GET", "/devices//T-1"), 404, "not_found")

    def test_a_wrong_method_is_told_the_right_ones(self):
        for method in ("PATCH", "OPTIONS", "TRACE"):
            response = self.call(method, "/devices/T-1", headers={"Accept-Language": "fr"})
            self.assertError(response, 405, "method_not_allowed")
            self.assertIn("GET", response.headers["Allow"])

    def test_a_body_that_is_no_json_object_is_refused(self):
        typed = {"Content-Type": "application/json"}
        for data in (b"", b"{", b"[]", b"1", b"NaN", b"\xff", b"null", b'"' + b"x" * 100, b"[" * 20_000):
            self.assertError(self.call("POST", "/devices/register", headers=typed, data=data), 400, "invalid_request")

    def test_a_body_of_another_kind_too_large_or_without_its_length_is_not_read(self):
        self.set_up(api_max_body_kb=1)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            response = self.call("POST", "/devices/register", headers={"Content-Type": kind}, data=b"{}")
            self.assertError(response, 415, "unsupported_media_type")
        large = {**self.body(), "notes": "x" * 1024}
        self.assertError(self.call("POST", "/devices/register", json=large), 413, "too_large")
        typed = {"Content-Type": "application/json"}
        response = self.call("POST", "/devices/register", headers=typed, data=iter([json.dumps(self.body()).encode()]))
        self.assertError(response, 411, "length_required")

    def test_a_fault_of_the_server_is_no_traceback(self):
        with patch.object(devices, "details", side_effect=RuntimeError("inner secrets")):
            with mute_logger("odoo.http"):
                response = self.call("GET", "/devices/T-1")
        self.assertError(response, 500, "internal_error")
        self.assertNotIn("secrets", response.text)

    def test_a_database_that_cannot_be_had_is_no_fault_of_the_request(self):
        with patch.object(devices, "details", side_effect=psycopg2.OperationalError("inner secrets")):
            with mute_logger("odoo.http"):
                response = self.call("GET", "/devices/T-1")
        self.assertError(response, 503, "unavailable")
        self.assertTrue(response.headers["Retry-After"])
        self.assertNotIn("secrets", response.text)

    def test_a_fault_of_a_body_is_told_without_the_whole_of_it(self):
        response = self.call("POST", "/devices/register", json={**self.body(), "name": "x" * 100_000})
        self.assertError(response, 400, "invalid_request")
        self.assertLess(len(response.content), 2000)
        self.assertEqual(response.json()["error"]["details"][0]["field"], "name")

    def test_what_is_missing_or_unknown_is_told_in_plain_words_and_by_its_field(self):
        body = {key: value for key, value in self.body().items() if key != "farm_id"}
        error = self.call("POST", "/devices/register", json=body).json()["error"]
        self.assertEqual(error["message"], "The body is not as it has to be: farm_id is missing")
        self.assertEqual(error["details"], [{"field": "farm_id", "message": "farm_id is missing"}])
        error = self.call("GET", "/devices?frm=1").json()["error"]
        self.assertEqual(error["message"], "The query is not as it has to be: not a field that there is: frm")

    def test_what_a_refused_request_had_done_is_undone(self):
        with patch.object(devices, "details", side_effect=devices.AccessError("No")):
            self.assertError(self.call("POST", "/devices/register", json=self.body()), 403, "forbidden")
        self.assertFalse(self.env["iot.device"].search([("device_id", "=", "T-2")]))

    # ------------------------------------------------------------------ limits

    def test_who_asks_too_often_waits_and_all_others_are_served(self):
        self.set_up(api_requests_per_minute=3)
        now = [1000.0]
        limiter = RateLimiter(lambda: now[0])
        with patch.object(callers, "LIMITER", limiter):
            answers = [self.call("GET", "/devices/T-1").status_code for _ in range(4)]
            self.assertEqual(answers, [200, 200, 200, 429])
            response = self.call("GET", "/devices/T-1")
            self.assertError(response, 429, "rate_limited")
            self.assertEqual(response.headers["Retry-After"], "20")
            self.assertEqual(self.call("GET", "/devices/T-1", "user").status_code, 200)
            now[0] += 20
            self.assertEqual(self.call("GET", "/devices/T-1").status_code, 200)

    def test_who_guesses_passwords_is_stopped_and_the_devices_beside_him_are_not(self):
        self.set_up(api_failed_logins_per_minute=2)
        other = self.new_device("T-2")
        good, beside = (self.basic(device, self.provision(device)) for device in (self.device, other))
        guessed = self.basic(self.device, "guessed")
        answers = [self.call("GET", "/devices/T-1", guessed).status_code for _ in range(3)]
        self.assertEqual(answers, [401, 401, 429])
        self.assertEqual(self.call("GET", "/devices/T-1", good).status_code, 429)
        self.assertEqual(self.call("GET", "/devices/T-2", beside).status_code, 200)

    def test_who_goes_through_names_is_stopped_too(self):
        self.set_up(api_failed_logins_per_minute=1)
        names = [{"Authorization": f"Bearer {number:08}"} for number in range(callers.NAMES_PER_ADDRESS + 1)]
        answers = [self.call("GET", "/devices/T-1", name).status_code for name in names]
        self.assertEqual(answers, [401] * callers.NAMES_PER_ADDRESS + [429])

    def test_of_an_endless_name_no_more_is_remembered_than_a_name_has(self):
        self.set_up(api_failed_logins_per_minute=1)
        answers = [
            self.call("GET", "/devices/T-1", None, auth=(name, "guessed")).status_code
            for name in ("x" * 5000, "x" * 4999 + "y")
        ]
        self.assertEqual(answers, [401, 429])

    def test_the_limits_on_the_settings_page_hold_from_the_next_request_on(self):
        large = {**self.body(), "notes": "x" * 1500}
        self.assertEqual(self.call("POST", "/devices/register", json=large).status_code, 201)
        self.settings(api_max_body_kb=1)
        self.assertError(self.call("POST", "/devices/register", json=large), 413, "too_large")
        guessed = self.basic(self.device, "guessed")
        self.assertEqual(self.call("GET", "/devices/T-1", guessed).status_code, 401)
        self.settings(api_failed_logins_per_minute=1)
        self.assertError(self.call("GET", "/devices/T-1", guessed), 429, "rate_limited")
        self.assertEqual(self.call("GET", "/devices/T-1", "user").status_code, 200)
        self.settings(api_requests_per_minute=1)
        self.assertError(self.call("GET", "/devices/T-1", "user"), 429, "rate_limited")

    def settings(self, **values):
        """Save them on the settings page."""
        self.env["res.config.settings"].create(values).execute()

    # ------------------------------------------------------------------ audit trail

    def test_every_write_is_in_the_audit_trail_refused_ones_too_and_no_reading(self):
        before = self.trail()
        self.call("GET", "/devices/T-1")
        self.call("POST", "/devices/register", json=self.body(), headers={"Idempotency-Key": "k1"})
        self.call("POST", "/devices/register", "user", json=self.body("T-3"))
        refused, made = self.trail() - before
        self.assertEqual(
            (made.caller, made.user_id, made.method, made.path, made.operation, made.status, made.idempotency_key),
            ("iot_manager", self.manager, "POST", "/api/v1/iot/devices/register", "register_device", 201, "k1"),
        )
        self.assertEqual((made.ip_address, made.error_code), ("127.0.0.1", False))
        self.assertEqual((refused.caller, refused.status, refused.error_code), ("iot_user", 403, "forbidden"))

    def test_a_flood_of_refused_requests_is_one_entry(self):
        self.set_up(api_requests_per_minute=2)
        before = self.trail()
        answers = [self.call("DELETE", "/devices/none").status_code for _time in range(6)]
        self.assertEqual(answers, [404] * 2 + [429] * 4)
        self.assertEqual((self.trail() - before).mapped("status"), [429, 404, 404])

    def test_an_address_without_end_is_cut_in_the_audit_trail(self):
        self.call("DELETE", f"/devices/{'x' * 3000}")
        self.assertEqual(len(self.trail()[0].path), 255)

    def test_the_audit_trail_is_the_company_s_whose_device_it_is(self):
        company = self.env["res.company"].create({"name": "Other Dairy"})
        farm = self.env["farm.location"].create(
            {"name": "Far Farm", "code": "FAR", "tz": "UTC", "company_id": company.id}
        )
        self.manager.sudo().company_ids += company
        stranger = new_test_user(
            self.env,
            "iot_stranger",
            "smart_dairy_farm.group_farm_admin",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        before = self.trail()
        self.call("POST", "/devices/register", json={**self.body(), "farm_id": farm.id})
        self.call("DELETE", "/devices/T-2", json={})
        self.call("POST", "/devices/T-2/commands", json={"command": "Not one"})
        entries = self.trail() - before
        self.assertEqual(entries.mapped("status"), [400, 200, 201])
        self.assertEqual(entries.with_user(stranger).search([("id", "in", entries.ids)]), entries)
        self.assertFalse(entries.with_user(self.admin).search([("id", "in", entries.ids)]))

    def test_no_secret_stays_anywhere(self):
        secrets = [self.keys["manager"], self.call("POST", PROVISION).json()["credentials"]["password"]]
        own = self.basic(self.device, secrets[1])
        self.call("POST", "/devices/T-1/heartbeat", own)
        self.call("DELETE", "/devices/T-1", own)
        secrets.append(own["Authorization"].split()[1])
        for secret in secrets:
            self.assertEqual(self.tables_with(secret), [])

    def test_the_audit_trail_is_for_administrators_to_read_and_nobodys_to_change(self):
        self.call("DELETE", "/devices/T-1")
        for user in (self.user, self.manager):
            with self.assertRaises(devices.AccessError):
                self.env["iot.api.request"].with_user(user).search([])
        entries = self.env["iot.api.request"].with_user(self.admin).search([("path", "like", "T-1")])
        self.assertEqual(len(entries), 1)
        for change in (lambda: entries.write({"status": 200}), entries.unlink):
            with self.assertRaises(devices.AccessError):
                change()

    def test_the_audit_trail_is_forgotten_after_the_days_of_the_settings(self):
        self.set_up(api_audit_days=30)
        self.call("DELETE", "/devices/T-1")
        trail = self.trail()
        for days, left in ((29, 1), (31, 0)):
            with freeze_time(fields.Datetime.now() + timedelta(days=days)):
                self.env["iot.api.request"]._gc_requests()
            self.assertEqual(len(trail.exists()), left)

    # ------------------------------------------------------------------ idempotency

    def register(self, key, device_id="T-2", caller="manager"):
        return self.call(
            "POST", "/devices/register", caller, json=self.body(device_id), headers={"Idempotency-Key": key}
        )

    def test_a_repetition_does_nothing_and_gets_the_first_answer(self):
        first, second = self.register("k1"), self.register("k1")
        self.assertEqual((first.status_code, second.status_code), (201, 201))
        self.assertEqual((first.content, first.headers["Location"]), (second.content, second.headers["Location"]))
        self.assertEqual(second.headers["Idempotency-Replayed"], "true")
        self.assertNotIn("Idempotency-Replayed", first.headers)
        self.assertEqual(self.trail()[:2].mapped("is_replay"), [True, False])

    def test_a_key_stands_for_one_request_of_one_caller(self):
        self.register("k1")
        self.assertError(self.register("k1", "T-3"), 409, "idempotency_conflict")
        self.assertEqual(self.register("k1", "T-3", "admin").status_code, 201)

    def test_a_request_that_failed_gives_its_key_back(self):
        with self.broker_out_of_reach():
            response = self.call("POST", PROVISION, headers={"Idempotency-Key": "k1"})
            self.assertError(response, 503, "broker_unavailable")
        self.assertEqual(self.call("POST", PROVISION, headers={"Idempotency-Key": "k1"}).status_code, 200)

    def test_a_password_is_kept_for_no_repetition(self):
        first = self.call("POST", PROVISION, headers={"Idempotency-Key": "k1"})
        password = first.json()["credentials"]["password"]
        self.assertError(self.call("POST", PROVISION, headers={"Idempotency-Key": "k1"}), 409, "idempotency_conflict")
        self.assertAccepted(self.device, password)
        self.assertEqual(self.tables_with(password), [])

    def test_a_key_is_forgotten_after_a_day(self):
        self.register("k1")
        answers = self.env["iot.api.idempotency"]
        later = fields.Datetime.now() + timedelta(hours=25)
        with freeze_time(later):
            self.assertIsNone(answers._take(f"user:{self.manager.id}", "k1", "another"))
        with freeze_time(later + timedelta(hours=25)):
            answers._gc_answers()
        self.env.cr.execute("SELECT count(*) FROM iot_api_idempotency")
        self.assertEqual(self.env.cr.fetchone()[0], 0)

    def test_a_key_that_is_none_is_refused(self):
        for key in ("", "two words", "x" * 256):
            self.assertError(self.register(key), 400, "invalid_request")
