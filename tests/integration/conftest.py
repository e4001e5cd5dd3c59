"""One running product for all tests that only use it; those that break or rebuild one have one of their own."""

import pytest

from support import Database, Farm, log_in, new_code


@pytest.fixture(scope="session")
def product(test_bed_and_template):
    """A running threaded Odoo with the bridge in its process, on a broker and a database of its own."""
    bed, template = test_bed_and_template
    bed.copy_database(template, "shared")
    with bed.broker("shared_broker") as broker:
        instance = bed.instance("shared", broker)
        instance.broker = broker
        with instance:
            yield instance
    bed.drop_database("shared")


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


@pytest.fixture
def farm(odoo):
    """A farm of the test's own in `product`."""
    return Farm(odoo, new_code())
