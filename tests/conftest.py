"""Fixtures for the tests that need broker, bridge, database and browser together.

scripts/test.py prepares a test bed (a PostgreSQL server, a template database with the addons installed) and runs the
tests in tests/integration on it, once per Odoo series. Every test gets a database and a broker of its own.
"""

import itertools
import os
import sys
import types
from pathlib import Path

import pytest

from stack.paths import ROOT, addon_dirs
from stack.test_bed import TestBed

# Tests import the addons' packages that need no Odoo. The addons' own `__init__` would import Odoo; here each addon is
# a bare namespace.
for _addon in addon_dirs():
    _namespace = types.ModuleType(_addon.name)
    _namespace.__path__ = [str(ROOT / _addon.name)]
    sys.modules.setdefault(_addon.name, _namespace)

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def test_bed_and_template():
    """The test bed that scripts/test.py runs, and the name of its template database."""
    described = os.environ.get("SMART_DAIRY_TEST_BED")
    if not described:
        pytest.fail("These tests need a test bed: run them by `python3 scripts/test.py --integration`.")
    return TestBed.described(Path(described))


@pytest.fixture(scope="session")
def bed(test_bed_and_template) -> TestBed:
    """The PostgreSQL server, folders and Odoo of this run."""
    return test_bed_and_template[0]


@pytest.fixture
def database(test_bed_and_template):
    """The name of a fresh database with all addons installed, demo data included; gone afterwards."""
    bed, template = test_bed_and_template
    name = f"test_{next(_numbers)}"
    bed.copy_database(template, name)
    yield name
    bed.drop_database(name)


@pytest.fixture
def broker(bed):
    """A running Mosquitto of this test's own, over TLS, that knows its administrator and the bridge and nobody else."""
    with bed.broker(f"mosquitto_{next(_numbers)}") as running:
        yield running


@pytest.fixture
def instance(bed, database, broker):
    """A threaded Odoo on ``database`` that knows ``broker``; not started, but stopped afterwards."""
    odoo = bed.instance(database, broker)
    odoo.write_conf()
    yield odoo
    odoo.stop()


@pytest.fixture
def odoo_server(instance):
    """A running Odoo, with the bridge in its process."""
    return instance.start()
