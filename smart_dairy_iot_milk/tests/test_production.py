"""The production record of a milking agrees with it, whoever corrects what and when."""

from odoo.exceptions import UserError
from odoo.tests.common import new_test_user, tagged

from .common import OTHER_TAG, START, TAG, MilkCase, migrate

LAB = {
    "fat_percentage": 4.1,
    "protein_percentage": 3.5,
    "lactose_percentage": 4.8,
    "somatic_cell_count": 210_000,
}


@tagged("post_install", "-at_install")
class TestProduction(MilkCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_cow = cls.env["farm.animal"].create({"name": "18", "farm_id": cls.farm.id, "rfid_tag": OTHER_TAG})
        cls.manager = new_test_user(cls.env, "herdsman", "smart_dairy_farm.group_farm_manager")

    def by_hand(self, session):
        return session.with_user(self.manager)

    def records(self, session):
        return self.env["farm.milk.production"].search([("source_reference", "=", session.name)])

    def late(self, **payload):
        """What the meter tells after the end."""
        self.message(320, 12.5, **{"duration_seconds": 320, "milking": False, "rfid_tag": TAG, **payload})
        self.process()

    # ------------------------------------------------------------------ typed on the milking

    def test_a_value_typed_on_a_completed_milking_reaches_its_record(self):
        session = self.milk(12.0)
        for name, value in LAB.items():
            self.by_hand(session)[name] = value
            self.assertEqual(session.production_id[name], value, name)
        self.assertEqual(session.typed_values, sorted(LAB))

    def test_late_data_leave_a_typed_value_alone_and_correct_the_others(self):
        session = self.milk(12.0, quality={"fat_percentage": 3.9, "protein_percentage": 3.3})
        self.by_hand(session).fat_percentage = 4.1
        self.late(quality={"fat_percentage": 3.8, "protein_percentage": 3.4})
        self.assertRecordValues(session, [{"fat_percentage": 4.1, "protein_percentage": 3.4, "total_yield": 12.5}])
        self.assertRecordValues(
            session.production_id, [{"fat_percentage": 4.1, "protein_percentage": 3.4, "quantity": 12.5}]
        )

    def test_a_typed_yield_stays_though_the_meter_goes_on(self):
        session = self.milk(12.0)
        self.by_hand(session).total_yield = 10.0
        self.assertEqual(session.production_id.quantity, 10.0)
        self.late()
        self.assertEqual((session.total_yield, session.production_id.quantity), (10.0, 10.0))

    def test_a_value_typed_while_the_milking_runs_stays(self):
        session = self.milking_at(0, 6.0, end=False)
        self.by_hand(session).fat_percentage = 4.1
        self.late(quality={"fat_percentage": 3.8})
        self.assertEqual((session.state, session.fat_percentage), ("completed", 4.1))

    def test_a_value_written_again_as_it_was_is_not_typed(self):
        session = self.milk(12.0, quality={"fat_percentage": 3.9})
        self.by_hand(session).write({"fat_percentage": 3.9, "protein_percentage": 3.2})
        self.assertEqual(session.typed_values, ["protein_percentage"])

    def test_what_a_meter_says_is_not_typed(self):
        session = self.milk(12.0, quality={"fat_percentage": 3.9})
        self.late(quality={"fat_percentage": 3.8})
        self.assertFalse(session.typed_values)

    def test_cells_typed_above_the_limit_reject_the_milk_and_are_told(self):
        session = self.milk(12.0)
        self.by_hand(session).somatic_cell_count = 900_000
        self.assertEqual(session.quality_grade, "reject")
        event = self.env["iot.event"].search([("dedup_key", "=", f"milk_rejected:{session.name}")])
        self.assertIn("900,000", event.message)

    def test_a_yield_of_nothing_takes_the_record_away(self):
        session = self.milk(12.0)
        self.by_hand(session).total_yield = 0.0
        self.assertFalse(self.records(session))

    # ------------------------------------------------------------------ whose milk it is

    def test_an_animal_that_is_entered_later_gets_its_record(self):
        session = self.milk(12.0, rfid_tag=None)
        self.assertFalse(session.production_id)
        self.by_hand(session).animal_id = self.cow
        self.assertRecordValues(
            session.production_id, [{"animal_id": self.cow.id, "quantity": 12.0, "source": "iot_meter"}]
        )
        self.assertEqual(session.identification, "person")

    def test_an_animal_that_is_changed_twice_has_its_record_moved_twice(self):
        session = self.milk(12.0)
        for animal in (self.other_cow, self.cow):
            self.by_hand(session).animal_id = animal
            self.assertRecordValues(self.records(session), [{"animal_id": animal.id, "quantity": 12.0}])
            self.assertEqual(session.production_id, self.records(session))

    def test_an_animal_that_is_removed_takes_the_record_with_it(self):
        session = self.milk(12.0)
        self.by_hand(session).animal_id = False
        self.assertFalse(self.records(session))
        self.assertEqual(session.identification, "none")

    def test_a_record_that_stands_in_the_place_of_its_own_is_left_alone(self):
        session, other = self.milk(12.0), self.env["farm.milk.production"].create({
            "animal_id": self.other_cow.id, "date": "2026-01-02", "milking_time": "am", "quantity": 9.0,
        })  # fmt: skip
        own = session.production_id
        session.production_id = other
        self.by_hand(session).fat_percentage = 4.4
        self.assertEqual((other.quantity, other.fat_percentage), (9.0, 0.0))
        self.assertEqual((session.production_id, own.fat_percentage), (own, 4.4))
        session.production_id = other
        self.by_hand(session).animal_id = False
        self.assertTrue(other.exists())
        self.assertFalse(own.exists())

    def test_the_source_of_a_record_is_not_smuggled_in_by_a_default(self):
        records = self.env["farm.milk.production"].with_user(self.manager)
        vals = {"animal_id": self.cow.id, "date": "2026-01-02", "milking_time": "am", "quantity": 9.0}
        with self.assertRaisesRegex(UserError, "Only a milking"):
            records.with_context(default_source="iot_meter").create(vals)
        self.env["ir.default"].with_user(self.manager).set(records._name, "source", "iot_meter", user_id=True)
        with self.assertRaisesRegex(UserError, "Only a milking"):
            records.create(vals)
        self.assertEqual(records.create({**vals, "source": "manual"}).source, "manual")

    def test_nobody_notes_what_was_typed_but_the_platform(self):
        record = self.milk(12.0).production_id.with_user(self.manager)
        with self.assertRaisesRegex(UserError, "platform alone"):
            record.typed_values = ["quantity"]
        vals = {"animal_id": self.cow.id, "date": "2026-01-02", "milking_time": "am", "quantity": 9.0}
        for records, more in (
            (record, {"typed_values": ["quantity"]}),
            (record.with_context(default_typed_values=["quantity"]), {}),
        ):
            with self.assertRaisesRegex(UserError, "platform alone"):
                records.create({**vals, **more})
        record.with_context(from_meter=True).fat_percentage = 4.4
        self.assertEqual(record.typed_values, ["fat_percentage"])

    def test_whose_milk_a_milkings_record_is_is_corrected_on_the_milking(self):
        record = self.milk(12.0).production_id.with_user(self.manager)
        other_farm = self.env["farm.location"].create({"name": "Valley", "code": "valley", "tz": "UTC"})
        for vals in ({"animal_id": self.other_cow.id}, {"farm_id": other_farm.id}):
            with self.assertRaisesRegex(UserError, "correct there"):
                record.write(vals)
        with self.assertRaisesRegex(UserError, "correct there"):
            (record | self.milking_at(7200, session_id="b").production_id).animal_id = self.other_cow
        typed = record.create({"animal_id": self.cow.id, "quantity": 3.0})
        typed.animal_id = self.other_cow
        self.assertEqual(typed.animal_id, self.other_cow)

    def test_an_export_of_a_milkings_record_comes_back_corrected(self):
        record = self.milk(12.0).production_id.with_user(self.manager)
        columns = ["id", "animal_id/.id", "farm_id/.id", "company_id/.id", "quantity"]
        [row] = record.sudo().export_data(columns)["datas"]
        answer = record.load(columns, [[*map(str, row[:-1]), "11.5"]])
        self.assertFalse(answer["messages"])
        self.assertEqual(answer["ids"], record.ids)
        self.assertEqual((record.quantity, record.typed_values), (11.5, ["quantity"]))
        row[1] = self.other_cow.id
        self.assertIn("correct there", record.load(columns, [list(map(str, row))])["messages"][0]["message"])

    def test_a_recorded_milking_keeps_its_farm(self):
        valley = self.env["farm.location"].create({"name": "Valley", "code": "valley", "tz": "UTC"})
        meter = self.make_meter("MM-2", farm_id=valley.id)
        session = self.milk(12.0)
        with self.assertRaisesRegex(UserError, "has a production record"):
            self.by_hand(session).meter_id = meter
        session.production_id.with_user(self.manager).unlink()
        self.by_hand(session).meter_id = meter
        self.assertEqual(session.farm_id, valley)
        self.by_hand(session).action_create_production_record()
        self.assertEqual(session.production_id.farm_id, valley)

    def test_a_former_version_s_record_of_a_cow_that_had_moved_comes_back_to_where_she_was_milked(self):
        valley = self.env["farm.location"].create({"name": "Valley", "code": "valley", "tz": "UTC"})
        session, untouched = self.milk(12.0), self.milking_at(7200, session_id="b", channel=1)
        typed = self.env["farm.milk.production"].create({"animal_id": self.cow.id, "quantity": 3.0})
        (session.production_id | typed).farm_id = valley
        migrate(self.env, "1.2.0", "post-production-farm")
        self.assertEqual(session.production_id.farm_id, self.farm)
        self.assertEqual(session.production_id.company_id, self.farm.company_id)
        self.assertEqual((untouched.production_id.farm_id, typed.farm_id), (self.farm, valley))

    def test_what_was_typed_into_the_record_moves_to_the_other_animals(self):
        session = self.milk(12.0)
        session.production_id.with_user(self.manager).fat_percentage = 4.4
        self.by_hand(session).animal_id = self.other_cow
        self.assertRecordValues(
            session.production_id, [{"animal_id": self.other_cow.id, "fat_percentage": 4.4, "quantity": 12.0}]
        )
        self.late(quality={"fat_percentage": 3.8})
        self.assertEqual(session.production_id.fat_percentage, 4.4)

    def test_the_rest_of_a_milking_stays_on_the_farm_of_the_first(self):
        valley = self.env["farm.location"].create({"name": "Valley", "code": "valley", "tz": "UTC"})
        meter = self.make_meter("MM-2", farm_id=valley.id)
        first, rest = self.milking_at(0, session_id="a"), self.milking_at(400, 3.0, session_id="b")
        self.assertEqual((rest.continues_id, rest.production_id.ids, first.production_id.quantity), (first, [], 15.0))
        with self.assertRaisesRegex(UserError, "has a production record"), self.env.cr.savepoint():
            self.by_hand(first).meter_id = meter
        for part in (rest, first):
            with self.assertRaisesRegex(UserError, "one milking"), self.env.cr.savepoint():
                self.by_hand(part).meter_id = meter
            first.production_id.with_user(self.manager).unlink()
        self.by_hand(rest).meter_id = self.make_meter("MM-3")

    # ------------------------------------------------------------------ typed into the record

    def test_a_value_typed_into_the_record_flows_nowhere_and_stays(self):
        session = self.milk(12.0, quality={"fat_percentage": 3.9})
        session.production_id.with_user(self.manager).fat_percentage = 4.4
        self.late(quality={"fat_percentage": 3.8})
        self.assertAlmostEqual(session.fat_percentage, 3.8)
        self.assertAlmostEqual(session.production_id.fat_percentage, 4.4)
        self.assertEqual(session.production_id.quantity, 12.5)
        self.assertEqual(session.production_id.typed_values, ["fat_percentage"])

    def test_records_typed_in_by_people_note_nothing(self):
        production = self.env["farm.milk.production"].create({"animal_id": self.cow.id, "quantity": 3.0})
        production.quantity = 4.0
        self.assertFalse(production.typed_values)

    # ------------------------------------------------------------------ many at once

    def test_one_correction_of_many_milkings_corrects_each_record(self):
        sessions = self.env["milk.session"]
        for number in range(3):
            sessions |= self.milking_at(number * 3600, 5.0 + number, session_id=f"s{number}")
        self.by_hand(sessions).write({"fat_percentage": 4.2})
        self.assertEqual(sessions.production_id.mapped("fat_percentage"), [4.2] * 3)
        self.assertEqual(sorted(sessions.production_id.mapped("quantity")), [5.0, 6.0, 7.0])

    def test_a_milking_entered_by_hand_has_its_record_and_its_corrections(self):
        sessions = self.env["milk.session"].with_user(self.manager)
        session = sessions.create({"meter_id": self.meter.id, "animal_id": self.cow.id, "start_time": START})
        session.total_yield = 7.0
        session.action_complete()
        self.assertEqual(session.production_id.quantity, 7.0)
        session.total_yield = 8.0
        self.assertEqual(session.production_id.quantity, 8.0)
