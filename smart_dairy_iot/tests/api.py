"""What the tests of the REST API share: callers with their credentials, and requests as they send them."""

import base64
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import HttpCase

from ..controllers.api import callers
from ..controllers.api.apis import PREFIX
from ..controllers.api.dispatcher import JSON_TYPE
from ..controllers.api.limits import RateLimiter
from .common import IotCase

TIMEOUT_SECONDS = 120


class ApiCase(HttpCase, IotCase):
    """Farms and users as in `IotCase`, each user with an API key; and a device of the hill farm that is in service."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = {
            name: cls.new_api_key(user)
            for name, user in (("user", cls.user), ("manager", cls.manager), ("admin", cls.admin))
        }

    def setUp(self):
        super().setUp()
        # The limits of one test are not another's.
        self.startPatcher(patch.object(callers, "LIMITER", RateLimiter()))

    @classmethod
    def new_api_key(cls, user):
        """An API key as a user makes it in his preferences."""
        api_keys = cls.env["res.users.apikeys"].with_user(user)
        try:
            return api_keys._generate("rpc", "tests")
        except TypeError:  # 19.0 wants its expiry
            return api_keys.sudo()._generate("rpc", "tests", fields.Datetime.now() + timedelta(days=1))

    def bearer(self, name):
        """The header of one of the users."""
        return {"Authorization": f"Bearer {self.keys[name]}"}

    def basic(self, device, password):
        """The header of a device."""
        credentials = f"{device.sudo().mqtt_username}:{password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}

    def call(self, method, path, caller="manager", json=None, headers=None, prefix=PREFIX, **options):
        """The response to a request.

        :param path: relative to the prefix of an API
        :param caller: one of the users' names, a header as `basic` gives it, or None
        """
        own = self.bearer(caller) if isinstance(caller, str) else caller or {}
        self.env.flush_all()
        response = self.opener.request(
            method,
            self.base_url() + prefix + path,
            json=json,
            headers={**own, **(headers or {})},
            timeout=TIMEOUT_SECONDS,
            **options,
        )
        self.env.invalidate_all()
        return response

    def assertError(self, response, status, code):
        self.assertEqual((response.status_code, response.headers["Content-Type"]), (status, JSON_TYPE))
        body = response.json()
        self.assertEqual((body["success"], body["error"]["code"]), (False, code), body)
        self.assertTrue(body["error"]["message"])
