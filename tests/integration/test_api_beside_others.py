"""The REST API beside addons of Odoo's that have a hand in every request and every error, as in most databases: the
routing of websites, and the marks of campaigns.
"""

import pytest
import requests

from api_client import new_api_key


@pytest.fixture
def api(instance):
    """Function that sends a request to a server with these addons."""
    instance.install("http_routing", "utm")
    with instance.start():
        key = {"Authorization": f"Bearer {new_api_key(instance)}"}

        def send(method, path, **headers):
            url = f"{instance.url}/api/v1/iot{path}"
            return requests.request(method, url, headers={**key, **headers}, timeout=60, allow_redirects=False)

        yield send


def test_requests_are_served_and_errors_are_json(api):
    for method, path, status in (
        ("GET", "/devices", 200),
        ("GET", "/devices/none", 404),
        ("DELETE", "/devices/none", 404),
        ("GET", "/devices?utm_source=newsletter", 400),
        ("GET", "/nothing", 404),
        ("POST", "/nothing", 404),
        ("GET", "/devices//none", 404),
        ("PATCH", "/devices", 405),
        ("OPTIONS", "/devices", 405),
    ):
        answer = api(method, path, **{"Accept-Language": "fr"})
        assert (answer.status_code, answer.json()["success"]) == (status, status == 200), (
            f"{method} {path}: {answer.text}"
        )
        assert not answer.cookies, f"{method} {path}"
    page = api("GET", "/docs")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
