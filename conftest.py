"""What every test in an Odoo needs, the addons' own among them."""

import sys

import pytest


@pytest.fixture(scope="session", autouse=True)
def manifests_read_at_once():
    """Have Odoo read all manifests before browsers ask for files in several threads.

    Odoo reads them with `ast.literal_eval` at the first request, which up to Python 3.11 may fail when two threads do
    so at the same time ("AST constructor recursion depth mismatch"); the page then lacks a file.
    """
    if "odoo.modules.module" in sys.modules:
        module = sys.modules["odoo.modules.module"]
        for name in module.get_modules():
            module.get_manifest(name)


@pytest.fixture(scope="session", autouse=True)
def pages_wait_for_each_other():
    """Have a page's requests, which Odoo 19.0 answers one after the other in a test, wait for more than 20 seconds.

    While the first puts the scripts together on a busy machine, the others would be answered by an error.
    """
    if "odoo.tests.common" in sys.modules:
        sys.modules["odoo.tests.common"].BaseCase.test_cursor_lock_timeout = 120
