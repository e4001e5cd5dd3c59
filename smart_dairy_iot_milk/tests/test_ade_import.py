"""Milkings from other systems: each is here once, with its animal, its litres and its production record."""

from datetime import date, datetime, timedelta

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from .ade_common import HILL, AdeCase

MODIFIED = datetime(2024, 3, 1, 6)
COMPARED = (
    "start_time",
    "end_time",
    "total_yield",
    "fat_percentage",
    "protein_percentage",
    "lactose_percentage",
    "somatic_cell_count",
    "blood_detected",
    "peak_flow_rate",
    "milk_temperature",
    "quality_grade",
    "state",
    "yield_lf",
    "yield_rf",
    "yield_lr",
    "yield_rr",
    "ended_by_meter",
)


class ImportCase(AdeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cow.write({"ade_scheme": "nl.v1", "ade_id": "NL 123456789"})
        cls.sessions = cls.env["milk.session"]

    def visit(self, hours=0, modified=MODIFIED, **other):
        """A milking visit of another system, `hours` after the first; `other` fields, and those of its meta."""
        meta = {"source": "org.example.parlour", "sourceId": f"m{hours}", "modified": f"{modified.isoformat()}Z"}
        start = datetime(2024, 3, 1, 4, 30) + timedelta(hours=hours)
        return {
            "resourceType": "icarMilkingVisitEventResource",
            "animal": {"scheme": "nl.v1", "id": "NL 123456789"},
            "milkingStartingDateTime": f"{start.isoformat()}Z",
            "milkingDuration": {"unitCode": "SEC", "value": 360},
            "milkingMilkWeight": {"unitCode": "KGM", "value": 12.36},
            **other,
            "meta": {**meta, **other.get("meta", {})},
        }

    def take(self, resource, farm=None):
        return self.sessions.with_user(self.manager)._import_ade(farm or self.hill, resource)


@tagged("post_install", "-at_install")
class TestAdeImport(ImportCase):
    def test_a_visit_becomes_a_completed_session_with_its_production_record(self):
        characteristics = [
            {"characteristic": "FAT", "value": "4.1"},
            {"characteristic": "PROTEIN", "value": "3.4"},
            {"characteristic": "SCC", "value": "150.5"},
            {"characteristic": "AVGCOND", "value": "5.2"},
        ]
        session, outcome = self.take(self.visit(milkCharacteristics=characteristics, milkingComplete=True))
        self.assertEqual(outcome, "created")
        self.assertEqual((session.source, session.state, session.animal_id), ("api", "completed", self.cow))
        self.assertEqual((session.total_yield, session.duration_seconds), (12.0, 360))
        self.assertEqual((session.quality_grade, session.somatic_cell_count), ("A", 150_500))
        self.assertEqual(session.conductivity, 5.2)
        self.assertTrue(session.ended_by_meter)
        production = session.production_id
        self.assertEqual((production.quantity, production.fat_percentage), (12.0, 4.1))
        self.assertEqual((production.date, production.milking_time), (date(2024, 3, 1), "am"))

    def test_the_day_of_a_milking_is_the_farms(self):
        self.hill.tz = "Pacific/Kiritimati"
        session, _outcome = self.take(self.visit(6))
        self.assertEqual(session.production_id.date, date(2024, 3, 2))

    def test_what_comes_again_is_there_once(self):
        session, _outcome = self.take(self.visit())
        again, outcome = self.take(self.visit())
        self.assertEqual((again, outcome), (session, "unchanged"))
        self.assertEqual(len(self.cow.production_ids), 1)

    def test_a_later_version_corrects_the_session_and_its_record_and_an_older_one_nothing(self):
        session, _outcome = self.take(self.visit(milkCharacteristics=[{"characteristic": "FAT", "value": "4.1"}]))
        heavier = {"unitCode": "KGM", "value": 13.39}
        later = self.visit(modified=MODIFIED + timedelta(hours=1), milkingMilkWeight=heavier)
        self.assertEqual(self.take(later), (session, "updated"))
        self.assertEqual((session.total_yield, session.fat_percentage), (13.0, 0.0))
        self.assertEqual(session.production_id.quantity, 13.0)
        self.assertEqual(self.take(self.visit(modified=MODIFIED - timedelta(hours=1))), (session, "unchanged"))
        self.assertEqual(session.total_yield, 13.0)

    def test_what_a_person_typed_stays(self):
        session, _outcome = self.take(self.visit())
        session.fat_percentage = 4.4
        self.assertEqual(session.typed_values, ["fat_percentage"])
        other = [{"characteristic": "FAT", "value": "3.9"}, {"characteristic": "PROTEIN", "value": "3.3"}]
        self.take(self.visit(modified=MODIFIED + timedelta(hours=1), milkCharacteristics=other))
        self.assertEqual(session.fat_percentage, 4.4)
        self.assertAlmostEqual(session.protein_percentage, 3.3)

    def test_an_animal_that_a_person_entered_stays(self):
        session, _outcome = self.take(self.visit())
        other = self.env["farm.animal"].create({"name": "18", "farm_id": self.hill.id})
        session.animal_id = other
        self.take(self.visit(modified=MODIFIED + timedelta(hours=1)))
        self.assertEqual((session.animal_id, session.production_id.animal_id), (other, other))

    def test_how_the_animal_is_known_is_by_the_scheme_that_names_it_and_never_by_hand(self):
        self.cow.rfid_tag = "999 123456789012"
        self.cow.rfid_ids.date_from = datetime(2024, 1, 1)
        for hours, (scheme, identity, how) in enumerate(
            (("nl.v1", "NL 123456789", "number"), ("iso.11784", "999123456789012", "tag"))
        ):
            session, _outcome = self.take(self.visit(hours, animal={"scheme": scheme, "id": identity}))
            self.assertEqual(session.identification, how)

    def test_what_people_have_said_of_the_animal_stays_by_hand_or_by_a_proposal(self):
        other = self.env["farm.animal"].create({"name": "18", "farm_id": self.hill.id})
        later = MODIFIED + timedelta(hours=1)
        session, _outcome = self.take(self.visit())
        session.with_user(self.manager).animal_id = other
        self.assertEqual(self.take(self.visit(modified=later)), (session, "unchanged"))
        self.assertEqual((session.animal_id, session.identification), (other, "person"))
        session, _outcome = self.take(self.visit(12))
        session.with_user(self.manager).animal_id = False
        session.sudo().proposed_animal_id = other
        session.with_user(self.manager).action_accept_proposal()
        self.take(self.visit(12, modified=later))
        self.assertEqual((session.animal_id, session.identification), (other, "proposal"))

    def test_a_milking_whose_animal_a_person_took_off_gets_it_again_by_a_later_version(self):
        session, _outcome = self.take(self.visit())
        session.with_user(self.manager).animal_id = False
        self.assertEqual(session.identification, "none")
        self.take(self.visit(modified=MODIFIED + timedelta(hours=1)))
        self.assertEqual((session.animal_id, session.identification), (self.cow, "number"))

    def test_a_cow_that_left_for_a_closed_farm_is_not_milked_twice_either(self):
        other = self.env["farm.animal"].create({"name": "18", "farm_id": self.hill.id})
        session, _outcome = self.take(self.visit())
        session.with_user(self.manager).animal_id = other
        elsewhere = self.make_session(2, animal_id=other.id)
        other.farm_id = self.valley
        self.env.flush_all()
        self.env.invalidate_all()
        later = MODIFIED + timedelta(hours=1)
        with self.assertRaisesRegex(UserError, f"Animal 18 .*{elsewhere.name}"):
            self.take(self.visit(modified=later, milkingStartingDateTime="2024-03-01T06:28:00Z"))
        self.assertEqual(self.take(self.visit(modified=later))[1], "unchanged")

    def test_a_later_version_of_the_milking_of_a_cow_that_has_left_for_a_closed_farm_is_taken(self):
        session, _outcome = self.take(self.visit())
        self.cow.farm_id = self.valley
        self.env.flush_all()
        self.env.invalidate_all()
        later = MODIFIED + timedelta(hours=1)
        litres = {"unitCode": "KGM", "value": 10.3}
        self.assertEqual(self.take(self.visit(modified=later, milkingMilkWeight=litres)), (session, "updated"))
        self.assertRecordValues(session.sudo(), [{"animal_id": self.cow.id, "total_yield": 10.0}])
        self.assertEqual(session.sudo().production_id.quantity, 10.0)
        with self.assertRaisesRegex(UserError, "no animal"):
            self.take(self.visit(2))

    def test_a_deleted_milking_is_cancelled_unless_its_milk_is_recorded(self):
        nothing = {"unitCode": "KGM", "value": 0}
        empty, _outcome = self.take(self.visit(milkingMilkWeight=nothing))
        later = {"modified": MODIFIED + timedelta(hours=1), "meta": {"isDeleted": True}}
        deleted = self.visit(**{**later, "meta": {**later["meta"]}}, milkingMilkWeight=nothing)
        self.assertEqual(self.take(deleted), (empty, "cancelled"))
        self.assertEqual(empty.state, "cancelled")
        recorded, _outcome = self.take(self.visit(12))
        with self.assertRaises(UserError):
            self.take(self.visit(12, **later))
        self.assertEqual(recorded.state, "completed")

    def test_a_deleted_milking_that_was_never_here_is_nothing(self):
        session, outcome = self.take(self.visit(meta={"isDeleted": True}))
        self.assertEqual((bool(session), outcome), (False, "unchanged"))

    def test_a_cancelled_milking_stays_cancelled(self):
        session, _outcome = self.take(self.visit(milkingMilkWeight={"unitCode": "KGM", "value": 0}))
        session.action_cancel()
        self.assertEqual(self.take(self.visit(modified=MODIFIED + timedelta(hours=1))), (session, "unchanged"))
        self.assertEqual(session.state, "cancelled")

    def test_an_animal_is_known_by_its_number_its_tag_and_its_farms_number(self):
        self.cow.rfid_tag = "999 123456789012"
        self.cow.rfid_ids.date_from = datetime(2024, 1, 1)
        for hours, (scheme, identity) in enumerate(
            (("nl.v1", "NL 123456789"), ("iso.11784", "999123456789012"), ("smart-dairy.animal", "HILL/17"))
        ):
            session, _outcome = self.take(self.visit(hours, animal={"scheme": scheme, "id": identity}))
            self.assertEqual(session.animal_id, self.cow)

    def test_an_animal_that_nobody_knows_is_told_and_nothing_is_recorded(self):
        with self.assertRaisesRegex(UserError, "NL 000000000"):
            self.take(self.visit(animal={"scheme": "nl.v1", "id": "NL 000000000"}))
        self.assertFalse(self.sessions.search([("ade_source_id", "=", "m0")]))

    def test_an_animal_of_another_company_is_none(self):
        company = self.env["res.company"].create({"name": "Other Dairy"})
        farm = self.env["farm.location"].create({"name": "Far", "code": "FAR", "tz": "UTC", "company_id": company.id})
        with self.assertRaises(UserError):
            self.sessions._import_ade(farm, self.visit())

    def test_a_cow_is_not_milked_twice_at_a_time(self):
        own = self.make_session()
        with self.assertRaisesRegex(UserError, own.name):
            self.take(self.visit())
        with self.assertRaisesRegex(UserError, own.name):
            self.take(self.visit(milkingStartingDateTime="2024-03-01T04:26:00Z"))
        _session, outcome = self.take(self.visit(milkingStartingDateTime="2024-03-01T04:35:00Z"))
        self.assertEqual(outcome, "created")

    def test_a_milking_in_the_future_and_one_that_is_none_are_refused(self):
        tomorrow = fields.Datetime.now() + timedelta(days=1)
        for wrong in (
            self.visit(milkingStartingDateTime=f"{tomorrow.isoformat()}Z"),
            self.visit(milkingMilkWeight={"unitCode": "LTR", "value": 12}),
            self.visit(milkCharacteristics=[{"characteristic": "FAT", "value": "4,1"}]),
            {**self.visit(), "resourceType": "icarWeightEventResource"},
            {**self.visit(), "meta": {"source": "x"}},
            {},
            [],
        ):
            with self.assertRaises(ValidationError):
                self.take(wrong)

    def test_the_meter_is_the_one_it_names_else_the_farms_for_imported_milkings(self):
        named, _outcome = self.take(self.visit(0, measureDeviceId="MM-1"))
        self.assertEqual(named.meter_id, self.meter)
        others = [self.take(self.visit(hours, measureDeviceId="elsewhere"))[0] for hours in (1, 2)]
        meter = others[0].meter_id
        self.assertEqual(others[1].meter_id, meter)
        self.assertEqual((meter.device_id, meter.state, meter.uses_mqtt), ("ADE-HILL", "provisioning", False))
        elsewhere = self.env["iot.milk_meter"].create(
            {
                "name": "Meter 2",
                "device_id": "MM-2",
                "farm_id": self.valley.id,
                "manufacturer": "other",
                "communication_type": "api",
            }
        )
        foreign, _outcome = self.take(self.visit(3, measureDeviceId=elsewhere.device_id))
        self.assertEqual(foreign.meter_id, meter)

    def test_bad_milk_raises_an_alarm_while_it_is_news(self):
        blood = [{"characteristic": "BLOOD", "value": "true"}]
        old, _outcome = self.take(self.visit(milkCharacteristics=blood))
        start = fields.Datetime.now() - timedelta(hours=3)
        new, _outcome = self.take(
            self.visit(1, milkCharacteristics=blood, milkingStartingDateTime=f"{start.isoformat()}Z")
        )
        self.assertEqual((old.quality_grade, new.quality_grade), ("reject", "reject"))
        events = self.env["iot.event"].search([("kind", "=", "milk_rejected"), ("animal_id", "=", self.cow.id)])
        self.assertEqual([event.data["session"] for event in events], [new.name])

    def test_what_is_told_to_another_farm_is_the_same_milking_there(self):
        twin = self.env["farm.animal"].create(
            {"name": "1", "farm_id": self.valley.id, "ade_scheme": "nl.v1", "ade_id": "NL 123456789"}
        )
        told = self.make_session(
            0,
            total_yield=12.345,
            fat_percentage=4.21,
            protein_percentage=3.4,
            lactose_percentage=4.7,
            somatic_cell_count=187_432,
            peak_flow_rate=4.2,
            milk_temperature=36.5,
            yield_lf=3.1,
            yield_rr=3.333,
            ended_by_meter=True,
        )
        self.make_session(6, total_yield=0.5)
        for resource in self.page()["member"]:
            self.sessions._import_ade(self.valley, resource)
        taken = self.sessions.search([("farm_id", "=", self.valley.id)], order="start_time")
        self.assertEqual((len(taken), taken.animal_id), (2, twin))
        self.assertEqual([told[name] for name in COMPARED], [taken[0][name] for name in COMPARED])
        # It keeps its identity: the system that it comes from knows it again.
        self.assertEqual(taken[0]._ade_resource()["meta"]["sourceId"], told._ade_id())

    def test_a_later_version_is_taken_though_it_cannot_be_with_what_was_typed_of_the_former_one(self):
        for hours, name, minutes in ((0, "end_time", 37), (12, "start_time", 33)):
            with self.subTest(typed=name):
                session, _outcome = self.take(self.visit(hours))
                typed = datetime(2024, 3, 1, 4, minutes) + timedelta(hours=hours)
                session.with_user(self.manager)[name] = typed
                moved = {"end_time": timedelta(minutes=30), "start_time": timedelta(minutes=-30)}[name]
                start = datetime(2024, 3, 1, 4, 30) + timedelta(hours=hours) + moved
                later = self.visit(
                    hours, MODIFIED + timedelta(hours=1), milkingStartingDateTime=f"{start.isoformat()}Z"
                )
                self.assertEqual(self.take(later)[1], "updated")
                self.env.flush_all()
                self.assertRecordValues(
                    session, [{"start_time": start, "end_time": start + timedelta(minutes=6), "total_yield": 12.0}]
                )


@tagged("post_install", "-at_install")
class TestAdeImportApi(ImportCase):
    def test_a_new_milking_is_made_and_a_known_one_is_as_sent(self):
        made = self.ade("POST", HILL, json=self.visit())
        self.assertEqual(made.status_code, 201, made.text)
        self.assertEqual(made.json()["milkingMilkWeight"], {"unitCode": "KGM", "value": 12.36})
        self.assertEqual(made.json()["meta"]["sourceId"], "m0")
        self.assertEqual(self.ade("POST", HILL, json=self.visit()).status_code, 200)

    def test_the_same_request_with_its_key_is_done_once(self):
        answers = [
            self.ade("POST", HILL, json=self.visit(), headers={"Idempotency-Key": "one"}) for _attempt in range(2)
        ]
        self.assertEqual([answer.status_code for answer in answers], [201, 201])
        self.assertEqual(answers[0].json(), answers[1].json())

    def test_what_is_wrong_with_a_milking_is_told_with_its_field(self):
        resource = self.visit(animal={"scheme": "nl.v1"})
        (error,) = self.assertAdeError(self.ade("POST", HILL, json=resource), 400, "invalid_request")
        self.assertEqual(error["instance"], "animal.id")
        resource = self.visit(milkCharacteristics=[{"characteristic": "FAT", "value": "4,1"}])
        (error,) = self.assertAdeError(self.ade("POST", HILL, json=resource), 422, "invalid_payload")
        self.assertIn("milkCharacteristics.FAT", error["detail"])
        unknown = self.visit(animal={"scheme": "nl.v1", "id": "nobody"})
        self.assertAdeError(self.ade("POST", HILL, json=unknown), 409, "conflict")

    def test_of_many_those_that_are_wrong_keep_back_no_other(self):
        unknown = self.visit(1, animal={"scheme": "nl.v1", "id": "nobody"})
        response = self.ade("POST", f"/batches{HILL}", json=[self.visit(0), unknown, {}, self.visit(2)])
        self.assertEqual(response.status_code, 207, response.text)
        results = response.json()
        self.assertEqual([bool(result["messages"]) for result in results], [False, True, True, False])
        self.assertEqual([result.get("id") for result in results], ["m0", None, None, "m2"])
        self.assertEqual(results[1]["meta"]["sourceId"], "m1")
        self.assertEqual(results[1]["messages"][0]["severity"], "Error")
        taken = self.sessions.search([("ade_source", "=", "org.example.parlour")])
        self.assertEqual(set(taken.mapped("ade_source_id")), {"m0", "m2"})

    def test_when_all_were_taken_it_is_a_plain_success(self):
        response = self.ade("POST", f"/batches{HILL}", json=[self.visit(0), self.visit(1), self.visit(1)])
        self.assertEqual(response.status_code, 200, response.text)
        self.assertEqual(len(self.sessions.search([("ade_source", "=", "org.example.parlour")])), 2)

    def test_only_a_farms_managers_add_milkings(self):
        valley = HILL.replace("HILL", "VALLEY")
        for path, statuses in ((HILL, (403, 201, 200)), (valley, (404, 404, 409))):
            for caller, status in zip(("user", "manager", "admin"), statuses, strict=True):
                with self.subTest(path=path, caller=caller):
                    self.assertEqual(self.ade("POST", path, caller, json=self.visit()).status_code, status)
        self.assertAdeError(self.ade("POST", f"/batches{HILL}", "user", json=[self.visit()]), 403, "forbidden")

    def test_a_batch_that_is_none_is_refused_whole(self):
        for body in ([], {}, [1], [self.visit()] * 501):
            self.assertAdeError(self.ade("POST", f"/batches{HILL}", json=body), 400, "invalid_request")
