"""The examples of docs/api.md do what it says, run as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from api_client import new_api_key

DOCS = Path(__file__).resolve().parents[2] / "docs" / "api.md"
RUN_SECONDS = 120


def example(language):
    """The one block of a language."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return block


@pytest.fixture
def environ(product, farm):
    """What the examples take from their environment."""
    own = {"SMART_DAIRY_URL": product.url, "SMART_DAIRY_KEY": new_api_key(product), "FARM_ID": str(farm.id)}
    return {**os.environ, **own}


def run(command, environ):
    """What a program printed; fails where it failed."""
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=RUN_SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_for_curl_registers_provisions_and_lists_a_device(environ, odoo, farm):
    printed = run(["bash", "-euc", example("bash")], environ)
    assert printed.count('"success":true') == 3, printed
    (device,) = odoo.call("iot.device", "search_read", [("device_id", "=", "TANK-01")], ["state", "farm_id"])
    assert (device["state"], device["farm_id"][0]) == ("active", farm.id)


def test_the_example_for_python_sends_a_reading_as_a_device_and_reads_it_as_a_user(environ):
    printed = run([sys.executable, "-c", example("python")], environ)
    assert "stored: 1" in printed
    assert re.search(r"^\d{4}-\d\d-\d\dT\S+Z 4\.2$", printed, re.MULTILINE), printed
