"""Filters that go by the present: they find the same for every reader, wherever on the globe his clock stands."""

import json
from datetime import datetime, timedelta, timezone
from xml.etree import ElementTree

import pytest

from support import utc_now

SPANS = {"Last 24 Hours": timedelta(hours=24), "Last 30 Days": timedelta(days=30)}
# As far from UTC as clocks are set, to either side.
ZONES = ("Pacific/Kiritimati", "Pacific/Pago_Pago")
# What a search evaluates a filter with.
EVALUATE = 'new (odoo.loader.modules.get("@web/core/domain").Domain)({}).toList({{}})'


def time_filters(odoo):
    """{(view, label): domain} of all filters that go by the present."""
    ours = [("type", "=", "search"), "|", ("model", "=like", "iot.%"), ("model", "=like", "milk.%")]
    views = odoo.call("ir.ui.view", "search_read", ours, ["name", "arch_db"])
    return {
        (view["name"], node.get("string")): node.get("domain")
        for view in views
        for node in ElementTree.fromstring(view["arch_db"]).iter("filter")
        if "now()" in node.get("domain", "")
    }


@pytest.fixture
def in_zone(browser, product):
    """Puts the page's reader into a time zone."""
    browser.open(f"{product.url}/web")
    browser.wait_for("document.querySelector('.o_main_navbar')")
    yield lambda zone: browser.send("Emulation.setTimezoneOverride", timezoneId=zone)
    browser.send("Emulation.setTimezoneOverride", timezoneId="")


@pytest.mark.parametrize("zone", ZONES)
def test_the_last_hours_and_days_are_the_same_in_every_time_zone(zone, browser, in_zone, odoo):
    filters = time_filters(odoo)
    labels = [label for _view, label in filters]
    assert (labels.count("Last 24 Hours"), labels.count("Last 30 Days")) == (6, 1)
    in_zone(zone)
    for (view, label), domain in filters.items():
        ((_field, operator, since),) = browser.evaluate(EVALUATE.format(json.dumps(domain)))
        begins = datetime.strptime(since, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
        assert operator == ">="
        assert timedelta(0) <= utc_now() - SPANS[label] - begins < timedelta(minutes=1), f"{label} of {view} is off"
