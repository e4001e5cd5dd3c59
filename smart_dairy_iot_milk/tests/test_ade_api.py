"""Milkings for other systems: what is on the pages, in which order, and for whom."""

from datetime import datetime, timedelta
from urllib.parse import quote

import jsonschema
import jsonschema_rs

from odoo.exceptions import ValidationError
from odoo.tests import new_test_user, tagged

from odoo.addons.smart_dairy_iot.controllers.api.openapi import document
from odoo.addons.smart_dairy_iot.controllers.api.operations import endpoints_of

from ..controllers.api.ade_api import ERROR, PREFIX
from ..exchange.ade_schema import VISIT
from .ade_common import HILL, START, AdeCase

CHANGED = datetime(2024, 3, 2, 12, 0, 0, 250_000)


@tagged("post_install", "-at_install")
class TestAdeVisits(AdeCase):
    def test_a_milking_is_told_with_its_animal_its_weight_and_what_was_measured(self):
        self.cow.rfid_tag = "999 123456789012"
        session = self.make_session(
            changed=CHANGED,
            conductivity=5.5,
            conductivity_25=5.0,
            conductivity_lf=6.6,
            yield_lf=2.0,
            fat_percentage=4.1,
            somatic_cell_count=187_000,
            peak_flow_rate=4.0,
            ended_by_meter=True,
            channel=3,
        )
        (visit,) = self.page()["member"]
        jsonschema_rs.validate(VISIT, visit, validate_formats=True)
        self.assertEqual(visit["resourceType"], "icarMilkingVisitEventResource")
        self.assertEqual(visit["animal"], {"id": "999123456789012", "scheme": "iso.11784"})
        self.assertEqual(visit["location"], {"id": "HILL", "scheme": "smart-dairy.farm"})
        self.assertEqual(visit["milkingStartingDateTime"], "2024-03-01T04:30:00Z")
        self.assertEqual(visit["milkingMilkWeight"], {"unitCode": "KGM", "value": 10.3})
        self.assertEqual(visit["milkingDuration"], {"unitCode": "SEC", "value": 300})
        self.assertEqual((visit["milkingType"], visit["milkingComplete"]), ("Manual", True))
        self.assertEqual((visit["measureDeviceId"], visit["milkingParlourUnit"]), ("MM-1", "3"))
        self.assertEqual((visit["meta"]["sourceId"], visit["meta"]["isDeleted"]), (session._ade_id(), False))
        self.assertEqual(visit["meta"]["modified"], "2024-03-02T12:00:00.250000Z")
        measured = {each["characteristic"]: each["value"] for each in visit["milkCharacteristics"]}
        self.assertEqual((measured["SCC"], measured["FAT"], measured["AVGCOND"]), ("187", "4.1", "5"))
        self.assertEqual(measured["MAXFLWR"], "4.12")
        (quarter,) = visit["quarterMilkings"]
        self.assertEqual(quarter["icarQuarterId"], "LF")
        # 6.6 mS/cm by the meter, as 5.5 is 5.0 at 25 °C.
        self.assertEqual(quarter["icarQuarterCharacteristics"], [{"characteristic": "AVGCOND", "value": "6"}])

    def test_a_milking_that_runs_or_whose_animal_nobody_knows_is_not_told_yet(self):
        self.make_session(0, state="in_progress", end_time=False)
        unknown = self.make_session(1, animal_id=False)
        self.assertEqual(self.page()["member"], [])
        unknown.animal_id = self.cow
        self.assertEqual(self.names(self.page()), [unknown])

    def test_a_cancelled_milking_is_told_as_deleted(self):
        self.make_session(state="cancelled")
        (visit,) = self.page()["member"]
        self.assertIs(visit["meta"]["isDeleted"], True)

    def test_nothing_that_was_not_measured_is_told_and_nothing_is_null(self):
        self.make_session()
        response = self.ade("GET", HILL)
        (visit,) = response.json()["member"]
        self.assertNotIn("null", response.text)
        measured = [each["characteristic"] for each in visit["milkCharacteristics"]]
        # The average flow follows from yield and time; that there was no blood, nobody has measured.
        self.assertEqual(measured, ["AVGFLWR"])
        self.assertNotIn("quarterMilkings", visit)
        self.assertNotIn("milkingComplete", visit)

    def test_a_page_leads_to_the_next_until_all_were_there_once(self):
        sessions = [self.make_session(number, CHANGED + timedelta(seconds=number)) for number in range(5)]
        page = self.page("?limit=2")
        view = page["view"]
        self.assertEqual((view["totalItems"], view["totalPages"], view["pageSize"], view["currentPage"]), (5, 3, 2, 1))
        self.assertEqual(view["first"], f"{self.base_url()}{PREFIX}{HILL}?limit=2")
        found = self.names(page)
        while "next" in page["view"]:
            page = self.page(page["view"]["next"].removeprefix(f"{self.base_url()}{PREFIX}{HILL}"))
            self.assertNotIn("totalItems", page["view"])
            found += self.names(page)
        self.assertEqual(found, sessions)
        self.assertEqual(page["view"]["currentPage"], 3)

    def test_milkings_that_changed_in_the_same_moment_are_told_apart_by_a_page(self):
        sessions = [self.make_session(number, CHANGED) for number in range(4)]
        page = self.page("?limit=3")
        rest = self.page(page["view"]["next"].removeprefix(f"{self.base_url()}{PREFIX}{HILL}"))
        self.assertEqual(self.names(page) + self.names(rest), sessions)

    def test_what_changes_between_two_pages_is_told_once_more_and_nothing_is_left_out(self):
        first, second, third = (self.make_session(number, CHANGED + timedelta(seconds=number)) for number in range(3))
        page = self.page("?limit=1")
        self.assertEqual(self.names(page), [first])
        first.fat_percentage = 4.0
        self.change(first, CHANGED + timedelta(minutes=1))
        found = []
        while "next" in page["view"]:
            page = self.page(page["view"]["next"].removeprefix(f"{self.base_url()}{PREFIX}{HILL}"))
            found += self.names(page)
        self.assertEqual(found, [second, third, first])

    def test_only_what_changed_since_and_before_a_time_is_told(self):
        _old, at, new = (self.make_session(number, CHANGED + timedelta(seconds=number)) for number in range(3))
        since = (CHANGED + timedelta(seconds=1)).isoformat() + "Z"
        for name in ("modified-from", "meta-modified-from"):
            page = self.page(f"?{name}={since}")
            self.assertEqual(self.names(page), [at, new])
            self.assertEqual(page["view"]["totalItems"], 2)
        self.assertEqual(
            self.names(self.page(f"?modified-from={quote('2024-03-02T13:00:01.250000+01:00')}")), [at, new]
        )
        before = (CHANGED + timedelta(seconds=2)).isoformat() + "Z"
        self.assertEqual(self.names(self.page(f"?modified-from={since}&meta-modified-to={before}")), [at])

    def test_the_filter_holds_on_every_page(self):
        sessions = [self.make_session(number, CHANGED + timedelta(seconds=number)) for number in range(4)]
        since = (CHANGED + timedelta(seconds=1)).isoformat() + "Z"
        page = self.page(f"?modified-from={since}&limit=1")
        self.assertIn("modified-from=", page["view"]["next"])
        rest = self.page(page["view"]["next"].removeprefix(f"{self.base_url()}{PREFIX}{HILL}"))
        self.assertEqual(self.names(page) + self.names(rest), sessions[1:3])

    def test_a_query_that_is_wrong_is_answered_so(self):
        for query in (
            "?limit=0",
            "?limit=501",
            "?cursor=1",
            "?modified-from=yesterday",
            "?modified-from=2024-03-01T00:00:00",
            "?modified-from=2024-03-01T00:00:00Z&meta-modified-from=2024-03-02T00:00:00Z",
            "?modified_from=2024-03-01T00:00:00Z",
        ):
            with self.subTest(query=query):
                self.assertAdeError(self.ade("GET", f"{HILL}{query}"), 400, "invalid_request")

    def test_a_farm_has_its_official_number_and_its_code(self):
        self.make_session()
        self.hill.write({"ade_scheme": "nl.ubn", "ade_id": "1234567"})
        (visit,) = self.page(path="/locations/nl.ubn/1234567/milking-visits")["member"]
        self.assertEqual(visit["location"], {"id": "1234567", "scheme": "nl.ubn"})
        self.assertEqual(len(self.page()["member"]), 1)
        for path in ("/locations/nl.ubn/7654321/milking-visits", "/locations/be.pen/1234567/milking-visits"):
            self.assertAdeError(self.ade("GET", path), 404, "not_found")

    def test_an_official_number_has_a_scheme_that_is_not_the_platforms(self):
        for values in ({"ade_scheme": "nl.ubn"}, {"ade_id": "1"}, {"ade_scheme": "smart-dairy.farm", "ade_id": "1"}):
            with self.assertRaises(ValidationError):
                self.hill.write({"ade_scheme": False, "ade_id": False, **values})
        for values in ({"ade_scheme": "nl.v1"}, {"ade_scheme": "iso.11784", "ade_id": "1"}):
            with self.assertRaises(ValidationError):
                self.cow.write({"ade_scheme": False, "ade_id": False, **values})

    def test_an_animal_is_told_by_its_official_number_else_its_tag_else_its_farms_number(self):
        self.assertEqual(vars(self.cow._ade_identifier()), {"scheme": "smart-dairy.animal", "id": "HILL/17"})
        self.cow.rfid_tag = "999 123456789012"
        self.assertEqual(vars(self.cow._ade_identifier()), {"scheme": "iso.11784", "id": "999123456789012"})
        self.cow.write({"ade_scheme": "nl.v1", "ade_id": "NL 123456789"})
        self.assertEqual(vars(self.cow._ade_identifier()), {"scheme": "nl.v1", "id": "NL 123456789"})

    def test_the_milkings_of_a_cow_that_has_gone_to_a_farm_closed_to_the_user_are_told_all_the_same(self):
        self.make_session()
        self.cow.farm_id = self.valley
        self.assertEqual(len(self.page()["member"]), 1)

    def test_the_source_is_this_database_unless_it_has_a_name(self):
        self.make_session()
        parameters = self.env["ir.config_parameter"].sudo()
        (visit,) = self.page()["member"]
        self.assertEqual(visit["meta"]["source"], f"urn:uuid:{parameters.get_param('database.uuid')}")
        parameters.set_param("iot.ade_source", "org.example.dairy")
        self.assertEqual(self.page()["member"][0]["meta"]["source"], "org.example.dairy")

    def test_the_weight_follows_the_density_that_is_set(self):
        self.make_session()
        self.env["ir.config_parameter"].sudo().set_param("iot.milk_density_kg_per_l", "1.028")
        (visit,) = self.page()["member"]
        self.assertEqual(visit["milkingMilkWeight"]["value"], 10.28)


@tagged("post_install", "-at_install")
class TestAdeAuthorisation(AdeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys["outsider"] = cls.new_api_key(new_test_user(cls.env, "ade_outsider", "base.group_user"))

    def test_every_address_is_asked_for_here(self):
        self.assertEqual(
            {endpoint.name for endpoint in endpoints_of(PREFIX)},
            {"ade_document", "ade_page", "list_milking_visits", "add_milking_visit", "add_milking_visits"},
        )

    def test_who_may_see_a_farm_gets_its_milkings_and_of_others_not_even_that_they_are_there(self):
        for farm, statuses in (("HILL", (200, 200, 200)), ("VALLEY", (404, 404, 200)), ("NONE", (404, 404, 404))):
            for caller, status in zip(("user", "manager", "admin"), statuses, strict=True):
                with self.subTest(farm=farm, caller=caller):
                    path = f"/locations/smart-dairy.farm/{farm}/milking-visits"
                    self.assertEqual(self.ade("GET", path, caller).status_code, status)

    def test_whoever_is_no_user_of_the_dairy_gets_nothing(self):
        device = self.new_device(uses_mqtt=True)
        for method, path, body in (("GET", HILL, None), ("POST", HILL, {}), ("POST", f"/batches{HILL}", [])):
            self.assertAdeError(self.ade(method, path, None, json=body), 401, "unauthorized")
            self.assertAdeError(self.ade(method, path, self.basic(device, "wrong"), json=body), 401, "unauthorized")
        self.assertAdeError(self.ade("GET", HILL, "outsider"), 403, "forbidden")

    def test_an_address_or_a_method_that_is_not_there_is_answered_in_icars_form(self):
        self.assertAdeError(self.ade("GET", "/nothing"), 404, "not_found")
        self.assertAdeError(self.ade("DELETE", HILL), 405, "method_not_allowed")

    def test_the_description_is_public_and_tells_what_is_there_and_nothing_else(self):
        served = self.ade("GET", "/openapi.json", None)
        self.assertEqual((served.status_code, served.json()), (200, document(PREFIX)))
        described = {(method.upper(), path) for path, methods in served.json()["paths"].items() for method in methods}
        self.assertEqual(described, {(endpoint.method, endpoint.address) for endpoint in endpoints_of(PREFIX)})
        self.assertEqual(served.json()["components"]["schemas"]["Error"], ERROR)
        self.assertFalse([path for path in document()["paths"] if path.startswith(PREFIX)])
        page = self.ade("GET", "/docs", None)
        for endpoint in endpoints_of(PREFIX):
            self.assertIn(f"id='{endpoint.name}'", page.text)

    def test_every_schema_in_it_is_one(self):
        for endpoint in endpoints_of(PREFIX):
            operation = endpoint.operation
            for schema in (operation.answer_schema(), operation.body or {}, *operation.query.values()):
                jsonschema.Draft202012Validator.check_schema(schema)

    def test_the_time_of_a_milking_is_that_of_the_meter_whatever_the_farms_clock(self):
        self.hill.tz = "Asia/Kolkata"
        self.make_session()
        (visit,) = self.page()["member"]
        self.assertEqual(visit["milkingStartingDateTime"], f"{START.isoformat()}Z")
