"""Who may call what: every endpoint has its row here, or the test fails.

A row tells the status that each caller gets on a device of his own farm, and of a farm that is not his. Whoever has no
good credentials, and whoever is outside the dairy, gets the same everywhere.
"""

import re
import threading
from dataclasses import dataclass, field
from unittest.mock import patch

from odoo.tests import new_test_user, tagged

from ..bridge.config import Config
from ..bridge.ingestion import Ingestion
from ..bridge.store import Store
from ..controllers.api.apis import PREFIX
from ..controllers.api.operations import ENDPOINTS as ALL_ENDPOINTS
from ..controllers.api.operations import endpoints_of
from ..telemetry.retention import retention_by_type
from .api import ApiCase
from .shared_connection import SharedConnection

TWO_YEARS = retention_by_type((), Config())
PASSWORD = "the device's own, of the test"
PUBLIC = ("openapi_document", "openapi_page")
#: Other addons have their own APIs, and tests of them.
ENDPOINTS = endpoints_of(PREFIX)


@dataclass
class Row:
    """The statuses of one endpoint.

    `own` and `foreign` are those of (user, manager, administrator); the administrator's farms are all. `device` are
    those of (the device itself, any other device). For what concerns no device the second of these is not asked, and
    `foreign` is what is asked about the farm that is not the users'. A farm of another company is to everybody, the
    administrator too, what a foreign one is to a manager.
    """

    own: tuple
    foreign: tuple
    device: tuple
    state: str = "active"
    body: object = None
    """Function of the test and the device that gives the body."""
    path: dict = field(default_factory=dict)
    """Functions of the test and the device that give the other parameters of the path."""


def _new(test, device):
    return {
        "name": "New",
        "device_id": f"N-{next(test.numbers)}",
        "device_type": "temperature",
        "farm_id": device.farm_id.id,
    }


def _reading(test, device):
    return {"device_id": device.device_id, "timestamp": f"{test.now.isoformat()}Z", "temperature": 4.5}


READ_BY_ALL = {"own": (200, 200, 200), "foreign": (404, 404, 200)}
READ_BY_ALL_AND_ITSELF = {**READ_BY_ALL, "device": (200, 404)}
ROWS = {
    "list_devices": Row((200, 200, 200), (200, 200, 200), (403, None)),
    "get_device": Row(**READ_BY_ALL_AND_ITSELF),
    "register_device": Row((403, 201, 201), (403, 422, 201), (403, None), body=_new),
    "register_devices": Row(
        (403, 201, 201), (403, 422, 201), (403, None), body=lambda test, device: {"devices": [_new(test, device)]}
    ),
    "provision_device": Row((403, 200, 200), (404, 404, 200), (403, 403), state="provisioning"),
    "decommission_device": Row((403, 200, 200), (404, 404, 200), (403, 403)),
    "note_heartbeat": Row((403, 403, 403), (403, 403, 403), (200, 404)),
    "get_config": Row(**READ_BY_ALL_AND_ITSELF),
    "put_config": Row(
        (403, 200, 200), (404, 404, 200), (403, 403), body=lambda _test, _device: {"config": {"interval": 60}}
    ),
    "send_command": Row(
        (403, 201, 201), (404, 404, 201), (403, 403), body=lambda _test, _device: {"command": "restart"}
    ),
    "list_commands": Row(**READ_BY_ALL, device=(403, 403)),
    "get_command": Row(
        **READ_BY_ALL,
        device=(403, 403),
        path={"command_id": lambda _test, device: device._send_command("restart", source="api").command_id},
    ),
    "list_readings": Row(**READ_BY_ALL_AND_ITSELF),
    "store_telemetry": Row((403, 200, 200), (404, 404, 200), (200, 404), body=_reading),
    # What a roll-out lets a device download is in the tests of firmware; here there is none for it.
    "download_firmware": Row(
        (403, 403, 403), (403, 403, 403), (404, 404), path={"version": lambda _test, _device: "1.0"}
    ),
}


@tagged("post_install", "-at_install")
class TestApiAuthorisation(ApiCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        outsider = new_test_user(cls.env, "api_outsider", "base.group_user")
        cls.keys["outsider"] = cls.new_api_key(outsider)
        company = cls.env["res.company"].create({"name": "Other Dairy"})
        cls.far = cls.env["farm.location"].create(
            {"name": "Far Farm", "code": "FAR", "tz": "UTC", "company_id": company.id}
        )
        stranger = new_test_user(
            cls.env,
            "api_stranger",
            "smart_dairy_farm.group_farm_manager",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        cls.keys["stranger"] = cls.new_api_key(stranger)

    def setUp(self):
        super().setUp()
        self.numbers = iter(range(1000))
        self.now = self.env.cr.now()
        store = Store(self.env["iot.settings"]._telemetry_specs())
        ingestion = Ingestion({}, store, TWO_YEARS, connect=lambda *_arguments: SharedConnection(self.env.cr))
        self.startPatcher(patch.object(type(self.env["iot.ingestion"]), "_ingestion", lambda _model: ingestion))

    def fresh(self, farm, state="active"):
        """A new device in a state, with a password but without a user at the broker, which is no matter of this."""
        # Superuser: it is the test's own doing, whoever may do so in the product.
        devices = self.env["iot.device"].sudo()
        device = devices.create(
            {
                "name": "Device",
                "device_id": f"A-{next(self.numbers)}",
                "device_type": "temperature",
                "farm_id": farm.id,
            }
        )
        device.write({"state": state})
        return device

    def status(self, endpoint, caller, device):
        """What a caller gets on a device; `caller` as for `call`."""
        row = ROWS[endpoint.name]
        path = endpoint.path.replace("{id}", device.device_id)
        for name, value in row.path.items():
            path = path.replace(f"{{{name}}}", value(self, device))
        response = self.call(endpoint.method, path, caller, json=row.body and row.body(self, device))
        self.assertNotEqual(response.status_code, 500, response.text)
        return response.status_code

    def test_every_endpoint_has_its_row(self):
        self.assertEqual({endpoint.name for endpoint in ENDPOINTS} - set(PUBLIC), set(ROWS))

    def test_there_is_no_address_that_was_not_declared_an_endpoint(self):
        # Odoo's map of addresses asks the thread for its database.
        self.startPatcher(patch.object(threading.current_thread(), "dbname", self.env.cr.dbname, create=True))
        routes = {
            (method, re.sub(r"<string:(\w+)>", r"{\1}", rule.rule))
            for rule in self.env["ir.http"].routing_map().iter_rules()
            for method in rule.methods or ("ANY",)
            if rule.rule.startswith(f"{PREFIX}/") and method not in ("HEAD", "OPTIONS")
        }
        self.assertEqual(routes, {(endpoint.method, endpoint.address) for endpoint in ENDPOINTS})

    def test_no_two_endpoints_have_one_name(self):
        names = [endpoint.name for endpoint in ALL_ENDPOINTS]
        self.assertEqual(len(names), len(set(names)))

    def test_what_is_public_is_no_more_than_the_description(self):
        public = {endpoint.name for endpoint in ENDPOINTS if "anybody" in endpoint.operation.callers}
        self.assertEqual(public, set(PUBLIC))
        for path in ("/openapi.json", "/docs"):
            self.assertEqual(self.call("GET", path, None).status_code, 200)

    def test_users_get_what_their_row_says_on_their_own_farm_and_on_those_that_are_not_theirs(self):
        for endpoint in ENDPOINTS:
            if endpoint.name in PUBLIC:
                continue
            row = ROWS[endpoint.name]
            for farm, caller, status in self.expected(row):
                with self.subTest(endpoint=endpoint.name, farm=farm.code, caller=caller):
                    self.assertEqual(self.status(endpoint, caller, self.fresh(farm, row.state)), status)

    def expected(self, row):
        """[(farm, caller, status)] of a row."""
        callers = ("user", "manager", "admin")
        worker, manager, _admin = row.foreign
        statuses = {self.hill: row.own, self.valley: row.foreign, self.far: (worker, manager, manager)}
        found = [
            (farm, caller, status)
            for farm, of_farm in statuses.items()
            for caller, status in zip(callers, of_farm, strict=True)
        ]
        return [*found, (self.far, "stranger", row.own[1]), (self.hill, "stranger", manager)]

    def test_a_device_gets_what_its_row_says_for_itself_and_for_all_others(self):
        for endpoint in ENDPOINTS:
            if endpoint.name in PUBLIC:
                continue
            itself, another = ROWS[endpoint.name].device
            device = self.fresh(self.hill)
            device._store_passwords({device: PASSWORD}, None)
            caller = self.basic(device, PASSWORD)
            with self.subTest(endpoint=endpoint.name, device="itself"):
                self.assertEqual(self.status(endpoint, caller, device), itself)
            for farm in (self.hill, self.valley, self.far) if another else ():
                with self.subTest(endpoint=endpoint.name, device="another", farm=farm.code):
                    self.assertEqual(self.status(endpoint, caller, self.fresh(farm)), another)

    def test_without_credentials_or_with_wrong_ones_nobody_gets_anything(self):
        device = self.fresh(self.hill)
        device._store_passwords({device: PASSWORD}, None)
        wrong = ({}, {"Authorization": "Bearer 0123456789abcdef"}, self.basic(device, "wrong"))
        for endpoint in ENDPOINTS:
            if endpoint.name in PUBLIC:
                continue
            for caller in wrong:
                with self.subTest(endpoint=endpoint.name, caller=caller):
                    self.assertEqual(self.status(endpoint, caller, device), 401)

    def test_a_user_outside_the_dairy_gets_nothing(self):
        for endpoint in ENDPOINTS:
            if endpoint.name not in PUBLIC:
                with self.subTest(endpoint=endpoint.name):
                    self.assertEqual(self.status(endpoint, "outsider", self.fresh(self.hill)), 403)

    def test_a_list_has_nothing_of_a_farm_that_is_not_the_callers(self):
        foreign = self.fresh(self.valley)
        for caller, found in (("user", 0), ("manager", 0), ("admin", 1)):
            response = self.call("GET", f"/devices?search={foreign.device_id}&farm_id={self.valley.id}", caller)
            self.assertEqual(response.json()["total"], found)
