"""What holds for every endpoint of the REST API: who is let in, what is refused and how."""

from odoo.tests import tagged

from .api import ApiCase


@tagged("post_install", "-at_install")
class TestApiCore(ApiCase):
    def test_a_user_with_a_key_reads_a_device_of_his_farm(self):
        self.new_device("T-1")
        response = self.call("GET", "/devices/T-1")
        self.assertEqual(response.status_code, 200, response.text)
        self.assertEqual(response.json()["device"]["device_id"], "T-1")

    def test_without_or_with_wrong_credentials_nothing_is_told(self):
        self.new_device("T-1")
        for headers in (
            {},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Basic !"},
            {"Authorization": "Basic Zm9vOmJhcg=="},
        ):
            self.assertError(self.call("GET", "/devices/T-1", headers), 401, "unauthorized")

    def test_what_is_at_no_address_is_json_too(self):
        for path in ("", "/", "/nothing", "//x", "/devices/T-1/"):
            self.assertError(self.call("GET", path), 404, "not_found")

    def test_a_wrong_method_is_told_the_right_ones(self):
        response = self.call("PATCH", "/devices/T-1")
        self.assertError(response, 405, "method_not_allowed")
        self.assertIn("GET", response.headers["Allow"])
