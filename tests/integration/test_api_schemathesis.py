"""The running server against its own OpenAPI documents: requests made up of it, good and bad ones, thousands of them.

No answer may be a fault of the server, and each must be one that the document has. Schemathesis makes the requests up;
a fixed seed makes a failure repeatable.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from api_client import new_api_key
from support import log_in, new_code, running_product

DOCUMENT = "/api/v1/iot/openapi.json"
ADE_DOCUMENT = "/api/v1/ade/openapi.json"
SEED = "20260131"
MOST_EXAMPLES = "40"
RUN_SECONDS = 600
REFUSED = [400, 401, 403, 404, 409, 411, 413, 415, 422, 429, 431]
# What fits the schemas may still not fit what is registered: an ID that is taken, a state that does not allow it.
CONFIG = {
    "checks": {
        "positive_data_acceptance": {"expected-statuses": ["2xx", 400, 403, 404, 409, 422]},
        "negative_data_rejection": {"expected-statuses": REFUSED},
    },
}


@pytest.fixture(scope="module")
def product(test_bed_and_template):
    """A running Odoo of this module's own: what is made up here is in nobody else's way."""
    with running_product(*test_bed_and_template, "made_up") as instance:
        yield instance


@pytest.fixture(scope="module")
def odoo(product):
    """The administrator's session with it."""
    return log_in(product)


@pytest.fixture
def unlimited(odoo):
    """Thousands of requests in a minute are no offence here."""
    parameters = ("iot.api_requests_per_minute", "iot.api_failed_logins_per_minute")
    for name in parameters:
        odoo.call("ir.config_parameter", "set_param", name, "1000000")
    yield
    for name in parameters:
        odoo.call("ir.config_parameter", "set_param", name, "")


def test_as_an_administrator_every_answer_is_as_documented(product, farm, unlimited, tmp_path):
    device = farm.provision(new_code("T"))
    key = new_api_key(product)
    report = run_schemathesis(
        product.url + DOCUMENT,
        tmp_path,
        {"id": device.device_id},
        ["--header", f"Authorization: Bearer {key}"],
        ["decommission_device"],
    )
    assert report.operations >= 15 and report.scenarios >= 10, report.text
    decommission = requests.delete(
        f"{product.url}/api/v1/iot/devices/{device.device_id}", headers={"Authorization": f"Bearer {key}"}, timeout=30
    )
    assert decommission.status_code == 200, decommission.text


def test_as_a_device_every_answer_is_as_documented(product, farm, unlimited, tmp_path):
    device = farm.provision(new_code("T"))
    credentials = device.credentials
    auth = ["--auth", f"{credentials.username}:{credentials.password}"]
    report = run_schemathesis(product.url + DOCUMENT, tmp_path, {"id": device.device_id}, auth, [])
    assert report.operations >= 15 and report.scenarios >= 10, report.text


def test_every_answer_about_milkings_is_as_documented(product, farm, unlimited, tmp_path):
    farm.odoo.call("farm.animal", "create", [{"name": "17", "farm_id": farm.id}])
    place = {"scheme": "smart-dairy.farm", "location": farm.code}
    options = ["--header", f"Authorization: Bearer {new_api_key(product)}"]
    report = run_schemathesis(product.url + ADE_DOCUMENT, tmp_path, place, options, [])
    # All but the document itself, which Schemathesis does not ask for again.
    assert report.operations == 4, report.text


class Report:
    """What a run said.

    `operations` is the number that were tested, `scenarios` that of requests one after the other, made of what those
    before were answered.
    """

    def __init__(self, text):
        self.text = text
        self.operations = self._number("Tested")
        self.scenarios = self._number("Scenarios")

    def _number(self, name):
        found = re.search(rf"{name}: +(\d+)", self.text)
        return int(found.group(1)) if found else 0


def run_schemathesis(document, directory, path, options, excluded):
    """Run it on all operations but those excluded; fails with what it printed where it found anything.

    :param document: its address
    :param path: parameters of paths -> the one value of each
    """
    config = directory / "schemathesis.toml"
    config.write_text(toml(path))
    command = [Path(sys.executable).parent / "st", "--config-file", config, "run", document]
    command += ["--checks", "all", "--seed", SEED, "--max-examples", MOST_EXAMPLES, "--continue-on-failure"]
    command += ["--phases", "examples,coverage,fuzzing,stateful", "--warnings", "off", *options]
    command += [part for name in excluded for part in ("--exclude-operation-id", name)]
    done = subprocess.run(
        [str(part) for part in command], cwd=directory, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-20000:]
    return Report(text)


def toml(path):
    """The configuration: which answers go with good and bad data, and what the paths name."""
    lines = ["[parameters]", *[f'"path.{name}" = {json.dumps(value)}' for name, value in path.items()]]
    for check, values in CONFIG["checks"].items():
        lines += [f"[checks.{check}]"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    return "\n".join(lines)
