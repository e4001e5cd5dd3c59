"""The API's own description is a valid OpenAPI document, and tells all there is."""

import jsonschema
import jsonschema_rs

from odoo.tests import tagged

from ..controllers.api.apis import PREFIX
from ..controllers.api.openapi import ERRORS, document
from ..controllers.api.operations import endpoints_of
from .api import ApiCase

ASKED_FOR = {
    "GET /devices",
    "GET /devices/{id}",
    "POST /devices/register",
    "POST /devices/bulk",
    "POST /devices/{id}/provision",
    "POST /devices/{id}/heartbeat",
    "GET /devices/{id}/config",
    "PUT /devices/{id}/config",
    "POST /devices/{id}/commands",
    "GET /devices/{id}/commands",
    "GET /devices/{id}/readings",
    "POST /devices/{id}/telemetry",
    "DELETE /devices/{id}",
    "GET /openapi.json",
}
#: Other addons have their own APIs, each with its own document.
ENDPOINTS = endpoints_of(PREFIX)


@tagged("post_install", "-at_install")
class TestOpenApi(ApiCase):
    def test_all_that_integrators_were_promised_is_there(self):
        self.assertLessEqual(ASKED_FOR, {f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS})

    def test_the_document_describes_every_endpoint_and_is_what_is_served(self):
        served = self.call("GET", "/openapi.json", None)
        self.assertTrue(served.headers["Content-Type"].startswith("application/vnd.oai.openapi+json"))
        self.assertEqual(served.json(), document())
        described = {
            (method.upper(), path.removeprefix("/api/v1/iot"))
            for path, methods in served.json()["paths"].items()
            for method in methods
        }
        self.assertEqual(described, {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS})

    def test_every_schema_in_it_is_a_schema_and_every_example_fits(self):
        for endpoint in ENDPOINTS:
            operation = endpoint.operation
            schemas = [operation.answer_schema(), *operation.query.values()]
            schemas += [operation.body] if operation.body else []
            for schema in schemas:
                jsonschema.Draft202012Validator.check_schema(schema)
                for example in schema.get("examples", ()):
                    jsonschema_rs.validate(schema, example)

    def test_every_parameter_is_explained(self):
        for endpoint in ENDPOINTS:
            for name, schema in endpoint.operation.query.items():
                self.assertTrue(schema.get("description"), f"{endpoint.name}: {name}")

    def test_the_page_has_every_endpoint_and_asks_nobody_else_for_anything(self):
        response = self.call("GET", "/docs", None)
        self.assertTrue(response.headers["Content-Type"].startswith("text/html"))
        self.assertEqual(response.headers["Content-Security-Policy"], "default-src 'none'; style-src 'unsafe-inline'")
        for endpoint in ENDPOINTS:
            self.assertIn(f"id='{endpoint.name}'", response.text)
        for status in ERRORS:
            self.assertIn(f"<td>{status}</td>", response.text)
        for word in ("<script", "<link", "src=", "http://", "https://"):
            self.assertNotIn(word, response.text)
