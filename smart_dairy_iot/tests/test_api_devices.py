"""The REST API's way to the devices: listed, shown, registered, provisioned, decommissioned."""

from datetime import timedelta

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models.iot_device import TOPIC_FIELDS
from .api import ApiCase

NEW = {"name": "Tank", "device_id": "T-9", "device_type": "temperature"}


@tagged("post_install", "-at_install")
class TestApiDevices(ApiCase):
    def new(self, **values):
        """The body of a registration on the hill farm."""
        return {**NEW, "farm_id": self.hill.id, **values}

    def device(self, device_id):
        return self.env["iot.device"].with_context(active_test=False).search([("device_id", "=", device_id)])

    def heard(self, device, minutes_ago):
        seen = fields.Datetime.now() - timedelta(minutes=minutes_ago)
        self.env.cr.execute(
            "INSERT INTO iot_device_state (iot_device_id, last_seen) VALUES (%s, %s)", [device.id, seen]
        )

    def listed(self, query="", caller="manager"):
        """(IDs, count, total) of a list."""
        response = self.call("GET", f"/devices?search=LST{query}", caller)
        self.assertEqual(response.status_code, 200, response.text)
        body = response.json()
        return [device["device_id"] for device in body["devices"]], body["count"], body["total"]

    # ------------------------------------------------------------------ list

    def some_devices(self):
        first = self.new_device("LST-1", name="Cellar")
        second = self.new_device("LST-2", device_type="gate", name="Barn")
        third = self.new_device("LST-3", name="Attic")
        self.new_device("LST-4", farm=self.valley, user=self.admin, name="Valley")
        return first, second, third

    def test_a_list_has_what_the_user_sees_by_name(self):
        self.some_devices()
        self.assertEqual(self.listed(), (["LST-3", "LST-2", "LST-1"], 3, 3))
        self.assertEqual(self.listed(caller="admin")[1:], (4, 4))

    def test_a_list_is_filtered_by_farm_type_state_and_whether_devices_are_online(self):
        first, _second, third = self.some_devices()
        third.sudo().write({"state": "active"})
        self.heard(third, 1)
        self.heard(first, 60)
        for query, expected in (
            ("&device_type=gate", ["LST-2"]),
            (f"&farm_id={self.hill.id}", ["LST-3", "LST-2", "LST-1"]),
            (f"&farm_id={self.valley.id}", []),
            ("&state=active", ["LST-3"]),
            ("&is_online=true", ["LST-3"]),
            ("&is_online=false", ["LST-2", "LST-1"]),
            ("&is_online=false&device_type=temperature&state=provisioning", ["LST-1"]),
        ):
            self.assertEqual(self.listed(query)[0], expected, query)

    def test_a_list_is_sorted_and_paged_and_tells_how_many_there_are_in_all(self):
        first, second, _third = self.some_devices()
        self.heard(first, 5)
        self.heard(second, 1)
        for query, expected in (
            ("&sort=-name", ["LST-1", "LST-2", "LST-3"]),
            ("&sort=device_id", ["LST-1", "LST-2", "LST-3"]),
            ("&sort=-last_seen", ["LST-2", "LST-1", "LST-3"]),
            ("&sort=last_seen", ["LST-3", "LST-1", "LST-2"]),
        ):
            self.assertEqual(self.listed(query)[0], expected, query)
        self.assertEqual(self.listed("&sort=device_id&limit=2&offset=1"), (["LST-2", "LST-3"], 2, 3))
        self.assertEqual(self.listed("&sort=-last_seen&limit=1&offset=1"), (["LST-1"], 1, 3))
        self.assertEqual(self.listed("&limit=1&offset=9"), ([], 0, 3))

    def test_a_query_that_cannot_be_is_refused_by_its_name(self):
        for query, name in (
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("limit=many", "limit"),
            ("offset=-1", "offset"),
            ("state=broken", "state"),
            ("device_type=cow", "device_type"),
            ("is_online=maybe", "is_online"),
            ("sort=notes", "sort"),
            ("farm_id=1&farm_id=2", "farm_id"),
            ("nonsense=1", "nonsense"),
            ("self=1", "self"),
            ("search=%00", "NUL"),
        ):
            response = self.call("GET", f"/devices?{query}")
            self.assertError(response, 400, "invalid_request")
            self.assertIn(name, response.json()["error"]["message"])

    def test_a_search_takes_whatever_is_typed(self):
        self.some_devices()
        for text, expected in (("barn", 1), ("%25%5C", 0), ("%27", 0), ("LST-2%5C", 0)):
            response = self.call("GET", f"/devices?search={text}")
            self.assertEqual((response.status_code, response.json()["total"]), (200, expected), text)

    # ------------------------------------------------------------------ one

    def test_a_device_is_shown_with_its_topics_and_moments_as_utc(self):
        device = self.new_device("T-1", calibration_date="2026-01-31", mac_address="001a2b3c4d5e")
        self.heard(device, 0)
        shown = self.call("GET", "/devices/T-1", "user").json()["device"]
        self.assertEqual(shown["topics"]["data"], "dairy/HILL/temperature/T-1/data")
        self.assertEqual(set(shown["topics"]), set(TOPIC_FIELDS))
        self.assertRegex(shown["last_seen"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual((shown["calibration_date"], shown["mac_address"]), ("2026-01-31", "00:1A:2B:3C:4D:5E"))
        self.assertEqual((shown["manufacturer"], shown["farm_name"]), (None, "Hill Farm"))

    def test_a_device_of_another_farm_is_like_none(self):
        self.new_device("T-1", farm=self.valley, user=self.admin)
        foreign, none = self.call("GET", "/devices/T-1"), self.call("GET", "/devices/T-2")
        self.assertError(foreign, 404, "not_found")
        self.assertEqual(foreign.json(), none.json() | {"error": foreign.json()["error"]})
        self.assertEqual(self.call("GET", "/devices/T-1", "admin").status_code, 200)

    # ------------------------------------------------------------------ register

    def test_a_registered_device_is_the_users_own_doing_and_waits_to_be_provisioned(self):
        response = self.call("POST", "/devices/register", json=self.new(manufacturer="DeLaval", latitude=47.5))
        self.assertEqual(response.status_code, 201, response.text)
        body = response.json()
        self.assertEqual(response.headers["Location"], "/api/v1/iot/devices/T-9")
        self.assertEqual(
            (body["mqtt_credentials"]["username"], body["mqtt_credentials"]["client_id"]), ("TE_T-9", "sd_T-9")
        )
        self.assertEqual(body["mqtt_credentials"]["topics"]["commands"], "dairy/HILL/temperature/T-9/commands")
        device = self.device("T-9")
        self.assertEqual((device.state, device.create_uid, device.latitude), ("provisioning", self.manager, 47.5))
        self.assertEqual(body["device"]["manufacturer"], "DeLaval")

    def test_a_number_with_a_point_is_the_farm_of_that_number(self):
        pen = self.env["farm.pen"].create({"name": "Parlour", "code": "PAR", "farm_id": self.hill.id})
        body = self.new(farm_id=float(self.hill.id), location_id=float(pen.id))
        self.assertEqual(self.call("POST", "/devices/register", json=body).status_code, 201)
        self.assertEqual((self.device("T-9").farm_id, self.device("T-9").location_id), (self.hill, pen))

    @mute_logger("odoo.sql_db")
    def test_an_id_that_is_taken_is_a_conflict_and_nothing_changes(self):
        self.new_device("T-9", name="The first")
        for taken in ("T-9", "t-9"):
            response = self.call("POST", "/devices/register", json=self.new(device_id=taken))
            self.assertError(response, 409, "conflict")
            self.assertIn("Device ID", response.json()["error"]["message"])
        self.assertEqual(self.device("T-9").name, "The first")

    def test_what_cannot_be_registered_is_refused_with_the_reason(self):
        pen = self.env["farm.pen"].create({"name": "P", "code": "P", "farm_id": self.valley.id})
        for changes, status, code, field in (
            ({"device_type": "cow"}, 400, "invalid_request", "device_type"),
            ({"device_id": "a/b"}, 400, "invalid_request", "device_id"),
            ({"name": ""}, 400, "invalid_request", "name"),
            ({"latitude": 91}, 400, "invalid_request", "latitude"),
            ({"state": "active"}, 400, "invalid_request", "state"),
            ({"mqtt_username": "sd_bridge"}, 400, "invalid_request", "mqtt_username"),
            ({"device_id": "bridge"}, 422, "invalid_payload", "bridge"),
            ({"mac_address": "twelve"}, 422, "invalid_payload", "MAC"),
            ({"farm_id": self.valley.id}, 422, "invalid_payload", "farm_id"),
            ({"farm_id": 2**31 - 1}, 422, "invalid_payload", "farm_id"),
            ({"location_id": pen.id}, 422, "invalid_payload", "location_id"),
            ({"notes": "a\0b"}, 400, "invalid_request", "NUL"),
        ):
            response = self.call("POST", "/devices/register", json=self.new(**changes))
            self.assertError(response, status, code)
            self.assertIn(field, response.json()["error"]["message"])
        self.assertFalse(self.device("T-9"))

    # ------------------------------------------------------------------ many

    def test_many_are_registered_at_once(self):
        pen = self.env["farm.pen"].create({"name": "Parlour", "code": "PAR", "farm_id": self.hill.id})
        rows = [self.new(device_id=f"T-{number}", location_id=pen.id, longitude=9.25) for number in range(3)]
        response = self.call("POST", "/devices/bulk", json={"devices": rows})
        self.assertEqual(response.status_code, 201, response.text)
        body = response.json()
        self.assertEqual((body["count"], [d["device_id"] for d in body["devices"]]), (3, ["T-0", "T-1", "T-2"]))
        device = self.device("T-1")
        self.assertEqual((device.location_id, device.longitude, device.farm_id), (pen, 9.25, self.hill))

    def test_of_many_none_is_registered_where_one_is_wrong_and_each_fault_is_told(self):
        self.new_device("T-7")
        rows = [
            self.new(device_id="T-0"),
            self.new(device_id="T-7"),
            self.new(device_id="T-0", mac_address="x"),
            self.new(device_id="T-3", farm_id=self.valley.id),
        ]
        response = self.call("POST", "/devices/bulk", json={"devices": rows})
        self.assertError(response, 422, "invalid_payload")
        self.assertEqual(
            [detail["field"] for detail in response.json()["error"]["details"]],
            ["devices.1.device_id", "devices.2.device_id", "devices.2.mac_address", "devices.3.farm_id"],
        )
        self.assertFalse(self.device("T-0"))

    def test_who_may_not_register_learns_nothing_of_what_is_registered(self):
        self.new_device("T-7")
        for path, body in (("register", self.new(device_id="T-7")), ("bulk", {"devices": [self.new(device_id="T-7")]})):
            self.assertError(self.call("POST", f"/devices/{path}", "user", json=body), 403, "forbidden")

    # ------------------------------------------------------------------ provision, decommission

    def test_the_credentials_of_a_provisioned_device_let_it_in_at_broker_and_api(self):
        device = self.new_device("T-1")
        body = self.call("POST", "/devices/T-1/provision").json()
        credentials = body["credentials"]
        config = self.env["iot.settings"]._get_config()
        self.assertEqual(
            {name: credentials[name] for name in ("username", "client_id", "broker_port", "use_tls")},
            {"username": "TE_T-1", "client_id": "sd_T-1", "broker_port": config.mqtt_broker_port, "use_tls": True},
        )
        self.assertEqual((body["device"]["state"], body["topics"]["data"]), ("active", device.data_topic))
        self.assertAccepted(device, credentials["password"])
        own = self.basic(device, credentials["password"])
        self.assertEqual(self.call("GET", "/devices/T-1", own).json()["device"]["device_id"], "T-1")

    def test_a_device_in_service_gets_a_new_password_only_where_that_is_said(self):
        device = self.new_device("T-1")
        first = self.call("POST", "/devices/T-1/provision").json()["credentials"]["password"]
        self.assertError(self.call("POST", "/devices/T-1/provision"), 409, "conflict")
        self.assertAccepted(device, first)
        second = self.call("POST", "/devices/T-1/provision", json={"renew": True}).json()["credentials"]["password"]
        self.assertRefused(device, first)
        self.assertAccepted(device, second)
        self.assertError(self.call("GET", "/devices/T-1", self.basic(device, first)), 401, "unauthorized")

    def test_a_broker_out_of_reach_is_told_and_nothing_is_changed(self):
        device = self.new_device("T-1")
        with self.broker_out_of_reach():
            self.assertError(self.call("POST", "/devices/T-1/provision"), 503, "broker_unavailable")
        self.assertEqual(device.state, "provisioning")

    def test_a_decommissioned_device_is_let_in_nowhere(self):
        device = self.new_device("T-1")
        password = self.call("POST", "/devices/T-1/provision").json()["credentials"]["password"]
        body = self.call("DELETE", "/devices/T-1").json()
        self.assertEqual((body["success"], body["device"]["state"]), (True, "decommissioned"))
        self.assertRefused(device, password)
        self.assertError(self.call("GET", "/devices/T-1", self.basic(device, password)), 401, "unauthorized")
        self.assertError(self.call("DELETE", "/devices/T-1"), 409, "conflict")
