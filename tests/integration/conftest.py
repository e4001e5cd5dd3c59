"""One running product for all tests that only use it; those that break or rebuild one have one of their own.

Tests of the bridge alone have a `bench` instead: a database and a broker of their own, and no Odoo that runs.
"""

import contextlib

import psycopg2
import pytest

from bridge_bench import Bench
from emqx_semantics import Emqx
from emqx_stand_in import EmqxApiStandIn
from smart_dairy_iot.bridge.config import load_config
from stack.chromium import Chromium
from stack.emqx_tables import EmqxTables
from support import Database, Farm, log_in, new_code, running_product


@pytest.fixture(scope="session")
def product(test_bed_and_template):
    """A running threaded Odoo with the bridge in its process, on a broker and a database of its own."""
    with running_product(*test_bed_and_template, "shared") as instance:
        yield instance


@pytest.fixture(scope="session")
def shared_broker(product):
    """The broker of `product`."""
    return product.broker


@pytest.fixture(scope="session")
def odoo(product):
    """The administrator's session with `product`."""
    return log_in(product)


@pytest.fixture(scope="session")
def stored(product):
    """The database of `product`."""
    return Database(product.postgres.dsn(product.database))


@pytest.fixture(scope="session")
def browser(product):
    """A Chromium with a desktop's window, logged in."""
    with Chromium() as chromium:
        chromium.log_in(product.url, "admin", "admin")
        yield chromium


@pytest.fixture
def farm(odoo):
    """A farm of the test's own in `product`."""
    return Farm(odoo, new_code())


@pytest.fixture(scope="session")
def shared_emqx_tables(bed):
    """EMQX's authentication database, one for all tests that only use it."""
    with EmqxTables(bed.postgres) as tables:
        yield tables


@pytest.fixture
def emqx_tables(shared_emqx_tables):
    """EMQX's authentication database without a user in it."""
    with psycopg2.connect(**shared_emqx_tables.dsn()) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM mqtt_user")
    connection.close()
    return shared_emqx_tables


@pytest.fixture
def emqx_api():
    """A stand-in for EMQX's REST API."""
    with EmqxApiStandIn() as api:
        yield api


@pytest.fixture
def emqx_config(emqx_tables, emqx_api):
    """The configuration that leads to both."""
    return load_config(emqx_tables.settings() | emqx_api.settings(), {}, environ={})


@pytest.fixture
def emqx(emqx_tables):
    """EMQX as its configuration makes it, on those tables."""
    broker = Emqx(lambda: psycopg2.connect(**emqx_tables.dsn("emqx_broker")))
    yield broker
    broker.close()


@pytest.fixture
def bench(bed, database, broker):
    """A bridge's database and broker, on which the test starts bridges and devices."""
    return Bench(bed.postgres.dsn(database), broker)


@pytest.fixture
def sensor(bench):
    """A temperature sensor on the bench, TS-1, that publishes."""
    with contextlib.closing(bench.device("TS-1", "temperature")) as publisher:
        yield publisher
