"""The milk production dashboard of a real server in a real browser: live by the bus, with no reload and no polling."""

from datetime import datetime, timedelta

import pytest

from cable import Cable
from support import connected, eventually, new_code, utc_now

TILE = ".o_running_session"
FARM_KEY = "smart_dairy_iot_milk.dashboard_farm"

# Counts the page's requests from now on, and marks the page: a reload would forget both.
COUNT_REQUESTS = """
    window.requests = 0;
    for (const [owner, name] of [[XMLHttpRequest.prototype, "send"], [window, "fetch"]]) {
        const original = owner[name];
        owner[name] = function () {
            if (!String(arguments[0]?.url || arguments[0]).includes("im_status")) window.requests++;
            return original.apply(this, arguments);
        };
    }
"""


@pytest.fixture
def cow(odoo, farm):
    """The name of a cow of the test's farm."""
    odoo.call("farm.animal", "create", [{"name": "Bella", "farm_id": farm.id}])
    return "Bella"


@pytest.fixture
def meter(farm, shared_broker):
    """A provisioned MQTT milk meter that is connected: a function that publishes a reading of its only milking."""
    device = farm.provision(new_code("MM"), "milk_meter")
    with connected(shared_broker, device.credentials) as connection:
        assert connection.connected

        def publish(liters, milking=True, session="M1", at=None, **values):
            values = {"yield_liters": liters, "milking": milking, "session_id": session, "flow_rate": 2.4, **values}
            connection.publish(device.topic(), device.payload(at, **values))

        yield publish


def open_dashboard(browser, url, odoo, farm):
    """Look at ``farm``, as the user did when he was here last."""
    browser.open(f"{url}/web/static/img/favicon.ico")  # leaves the page: else only its hash would change
    browser.wait_for("!document.querySelector('.o_web_client')")
    browser.evaluate(f"localStorage.setItem('{FARM_KEY}', {farm.id})")
    browser.errors.clear()
    (action,) = odoo.call(
        "ir.model.data", "search_read", [("name", "=", "action_milk_production_dashboard")], ["res_id"]
    )
    browser.open(f"{url}/web#action={action['res_id']}")
    browser.wait_for(shown("h2", f"Farm {farm.code}"))
    browser.wait_for("document.querySelector('.o_hourly_yield_chart canvas')")
    browser.evaluate(COUNT_REQUESTS)


def shown(selector, text):
    """A script's expression: whether an element of the dashboard shows a text."""
    return f"document.querySelector('.o_milk_production_dashboard {selector}')?.textContent.includes('{text}')"


def kpi(name, value):
    """A script's expression: whether a figure on top has a value."""
    return f"document.querySelector('[data-kpi={name}] .o_kpi_value')?.textContent === '{value}'"


def grade(name, count):
    """A script's expression: whether so many of today's milkings are of a grade."""
    return f"document.querySelector('[data-grade={name}] .badge')?.textContent === '{count}'"


# The bars' litres, an hour each, as the chart has them.
HOURS = "Chart.getChart(document.querySelector('.o_hourly_yield_chart canvas')).data.datasets[0].data"
# The shares of the grades in the bar, each in percent.
SHARES = "[...document.querySelectorAll('.o_dashboard_quality .progress-bar')].map((bar) => bar.style.width).join(' ')"


def hours_ago(hours):
    return utc_now() - timedelta(hours=hours)


def completed(odoo, farm):
    """How many of the farm's milkings are over."""
    return len(odoo.search_read("milk.session", [("farm_id", "=", farm.id), ("state", "=", "completed")], ["id"]))


def test_a_milking_that_begins_after_the_page_was_opened_appears_grows_and_ends_without_reload(
    browser, product, odoo, farm, cow, meter
):
    open_dashboard(browser, product.url, odoo, farm)
    browser.wait_for(kpi("total_yield", "0.0"))

    meter(0.4, animal_id=cow)
    browser.wait_for(shown(TILE, cow))
    browser.wait_for(kpi("active_count", "1"))
    for liters in (1.5, 3.8, 7.2):
        meter(liters, animal_id=cow)
        browser.wait_for(shown(f"{TILE} .o_running_yield", str(liters)))
        browser.wait_for(kpi("total_yield", str(liters)))

    meter(11.9, milking=False, animal_id=cow)
    browser.wait_for(f"!document.querySelector('{TILE}')")
    browser.wait_for(shown(".o_dashboard_recent tbody", cow))
    browser.wait_for(kpi("session_count", "1"))
    browser.wait_for(kpi("total_yield", "11.9"))
    assert browser.evaluate("window.requests") > 0, "the page was reloaded"
    assert browser.errors == []


def test_the_grades_and_the_hours_change_as_soon_as_a_milking_ends(browser, product, odoo, farm, cow, meter):
    # On a clock by which it is noon: whatever begins now is today's.
    behind = utc_now().hour - 12
    odoo.call("farm.location", "write", [farm.id], {"tz": f"Etc/GMT{behind:+d}"})
    open_dashboard(browser, product.url, odoo, farm)
    browser.wait_for(grade("A", 0))
    assert browser.evaluate(HOURS) == [0] * 24

    meter(0.4, animal_id=cow)
    browser.wait_for(f"Math.max(...{HOURS}) === 0.4")
    assert browser.evaluate(f"!!({grade('A', 0)})"), "a running milking has no grade yet"
    healthy = {"fat_percentage": 3.9, "protein_percentage": 3.3, "somatic_cell_count": 120_000}
    meter(11.9, milking=False, animal_id=cow, quality=healthy)
    browser.wait_for(grade("A", 1))
    (session,) = odoo.search_read("milk.session", [("farm_id", "=", farm.id)], ["start_time"])
    hour = (datetime.fromisoformat(session["start_time"]) - timedelta(hours=behind)).hour
    assert browser.evaluate(HOURS) == [11.9 if each == hour else 0 for each in range(24)]
    assert browser.evaluate(SHARES) == "100% 0% 0% 0% 0%"

    meter(6.2, milking=False, session="M2", quality={"blood_detected": True})
    browser.wait_for(grade("reject", 1))
    browser.wait_for(grade("A", 1))
    assert browser.evaluate(f"{HOURS}.reduce((sum, liters) => sum + liters)") == pytest.approx(18.1)
    assert browser.evaluate(SHARES) == "50% 0% 0% 50% 0%"
    assert browser.evaluate("window.requests") > 0, "the page was reloaded"
    assert browser.errors == []


def test_the_page_asks_for_nothing_while_nothing_happens_and_not_for_what_happens_elsewhere(
    browser, product, odoo, farm, meter
):
    open_dashboard(browser, product.url, odoo, farm)
    (elsewhere,) = odoo.call("farm.location", "create", [{"name": "Elsewhere", "code": new_code(), "tz": "UTC"}])
    odoo.call("iot.alert", "create", [{"name": "Hot tank", "farm_id": elsewhere}])
    meter(0.4)
    browser.wait_for(kpi("active_count", "1"))  # both notifications have arrived by then

    def requests_in_three_seconds():
        before = browser.evaluate("window.requests")
        browser.evaluate("new Promise((resolve) => setTimeout(resolve, 3000))")
        return browser.evaluate("window.requests") - before

    # One that the reading asked for may still be under way.
    eventually(lambda: requests_in_three_seconds() == 0, "the page has nothing more to ask for")
    assert requests_in_three_seconds() == 0


def test_an_alert_appears_and_goes_when_somebody_acknowledges_it(browser, product, odoo, farm):
    open_dashboard(browser, product.url, odoo, farm)
    (alert,) = odoo.call("iot.alert", "create", [{"name": "Hot tank", "severity": "critical", "farm_id": farm.id}])
    browser.wait_for(shown(".o_dashboard_alerts button", "Critical"))
    odoo.call("iot.alert", "action_acknowledge", [alert])
    browser.wait_for(shown(".o_dashboard_alerts", "No open alert"))


def test_the_channel_follows_the_farm_that_is_chosen(browser, product, odoo, farm, meter):
    (other,) = odoo.call("farm.location", "create", [{"name": "Elsewhere", "code": new_code(), "tz": "UTC"}])
    open_dashboard(browser, product.url, odoo, farm)
    choose = """{{
        const select = document.querySelector(".o_dashboard_farm");
        select.value = {};
        select.dispatchEvent(new Event("change"));
    }}"""
    browser.evaluate(choose.format(other))
    browser.wait_for(shown("h2", "Elsewhere"))
    odoo.call("iot.alert", "create", [{"name": "Hot tank", "farm_id": other}])
    browser.wait_for(shown(".o_dashboard_alerts button", "Hot tank"))
    browser.evaluate(choose.format(farm.id))
    browser.wait_for(shown("h2", f"Farm {farm.code}"))
    meter(0.4)
    browser.wait_for(kpi("active_count", "1"))


def test_what_happened_while_the_network_was_away_shows_as_soon_as_it_is_back(browser, product, odoo, farm):
    with Cable(product.http_port) as cable:
        open_dashboard(browser, f"http://127.0.0.1:{cable.port}", odoo, farm)
        cable.unplug()
        browser.wait_for("document.querySelector('.o_dashboard_connection_lost')")
        odoo.call("iot.alert", "create", [{"name": "Hot tank", "farm_id": farm.id}])
        cable.plug()
        browser.wait_for(shown(".o_dashboard_alerts button", "Hot tank"))
        browser.wait_for("!document.querySelector('.o_dashboard_connection_lost')")


def test_nothing_is_wider_than_a_phone(request, browser, product, odoo, farm, meter):
    name = "Niederwettersbacher Schwarzbunte Bella die Dritte"
    odoo.call("farm.animal", "create", [{"name": name, "farm_id": farm.id}])
    odoo.call("iot.alert", "create", [{"name": "Hot tank", "message": "At 9 °C. " * 30, "farm_id": farm.id}])
    # A fortnight by which her last milking is abnormal and her udder critical; its row has every badge there is.
    for number in range(28, 0, -1):
        quality = {"conductivity": 5.0 + 0.1 * (number % 3)}
        meter(14.0, milking=False, session=f"U{number}", at=hours_ago(2 + 12 * number), animal_id=name, quality=quality)
    eventually(lambda: completed(odoo, farm) == 28, "her usual milkings are completed")
    quality = {"conductivity": 9.5, "blood_detected": True}
    meter(4.5, milking=False, session="M0", at=hours_ago(2), animal_id=name, quality=quality)
    meter(0.4, animal_id=name)
    request.addfinalizer(browser.resize)
    browser.resize(390, 844)
    open_dashboard(browser, product.url, odoo, farm)
    browser.wait_for(shown(TILE, name))
    for badge in ("4.5", "Reject", "Abnormal", "Udder: critical"):
        browser.wait_for(shown(".o_dashboard_recent tbody tr", badge))
    assert browser.evaluate("innerWidth") == 390
    wide = browser.evaluate(
        """[...document.querySelectorAll(".o_milk_production_dashboard, .o_milk_production_dashboard *")]
            .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
            .map((element) => `${element.tagName}.${element.className}`)"""
    )
    assert wide == []
    assert browser.evaluate("document.scrollingElement.scrollWidth") <= 390
