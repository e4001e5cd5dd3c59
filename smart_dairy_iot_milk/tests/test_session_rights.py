"""What people may not write of a milking, by whichever way they come: it would reach beyond their rights."""

from odoo.exceptions import AccessError, UserError
from odoo.tests.common import new_test_user, tagged

from .common import START, MilkCase

GONE = "MILK/2025/000001"


@tagged("post_install", "-at_install")
class TestRights(MilkCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.milker = new_test_user(cls.env, "milker", "smart_dairy_farm.group_farm_user")
        cls.manager = new_test_user(cls.env, "herdsman", "smart_dairy_farm.group_farm_manager")
        cls.admin = new_test_user(cls.env, "owner", "smart_dairy_farm.group_farm_admin")
        cls.closed = cls.env["farm.location"].create(
            {"name": "Closed", "code": "closed", "tz": "UTC", "user_ids": [(6, 0, cls.env.user.ids)]}
        )
        cls.other_cow = cls.env["farm.animal"].create({"name": "99", "farm_id": cls.closed.id})
        cls.other_meter = cls.make_meter("MM-9", farm_id=cls.closed.id)
        # Of a milking that has been deleted since.
        cls.other_record = cls.env["farm.milk.production"].create(
            {
                "animal_id": cls.other_cow.id,
                "farm_id": cls.closed.id,
                "date": "2026-01-02",
                "milking_time": "am",
                "quantity": 9.0,
                "source": "iot_meter",
                "source_reference": GONE,
            }
        )

    def setUp(self):
        super().setUp()
        self.sessions_by_hand = self.env["milk.session"].with_user(self.manager)
        self.vals = {"meter_id": self.meter.id, "animal_id": self.cow.id, "start_time": START}

    def platforms(self):
        """The fields that a milking has and people do not fill in."""
        fields = self.env["milk.session"]._fields.values()
        return {field.name for field in fields if field.readonly and field.store}

    # ------------------------------------------------------------------ every way

    def test_what_the_platform_says_is_written_by_no_user(self):
        session = self.milk(12.0)
        names = self.platforms()
        self.assertLessEqual(
            {"name", "production_id", "source", "state", "farm_id", "continues_id", "session_key", "last_message_at",
             "typed_values", "tag_reads", "identification", "mastitis_score", "under_withdrawal", "ade_source_id"},
            names,
        )  # fmt: skip
        for user in (self.milker, self.manager, self.admin):
            for forged in ({}, {"from_meter": True, "milk_session_platform": True}):
                by_user = session.with_user(user).with_context(**forged)
                for name in names:
                    with self.subTest(user=user.login, name=name), self.assertRaises(AccessError):
                        by_user.write({name: False})

    def test_the_refusal_names_the_field(self):
        session = self.milk(12.0).with_user(self.manager)
        with self.assertRaisesRegex(AccessError, "Production Record, Session"):
            session.write({"name": GONE, "production_id": self.other_record.id, "fat_percentage": 4.0})
        self.assertEqual(session.fat_percentage, 0.0)

    def test_no_user_makes_a_milking_with_it(self):
        for name, value in (("name", GONE), ("production_id", self.other_record.id), ("state", "completed")):
            for user in (self.manager, self.admin):
                with self.subTest(name), self.assertRaisesRegex(AccessError, "platform alone"):
                    self.sessions_by_hand.with_user(user).create({**self.vals, name: value})
        with self.assertRaisesRegex(AccessError, "platform alone"):
            self.sessions_by_hand.name_create(GONE)

    def assertOwn(self, session):
        self.assertNotEqual(session.name, GONE)
        self.assertRecordValues(
            session,
            [{"production_id": False, "state": "in_progress", "source": "manual", "session_key": False,
              "typed_values": False, "farm_id": self.farm.id}],
        )  # fmt: skip

    def test_defaults_of_the_context_count_nothing(self):
        forged = {
            "default_name": GONE,
            "default_production_id": self.other_record.id,
            "default_state": "completed",
            "default_source": "mqtt",
            "default_session_key": "s1",
            "default_typed_values": 5,
            "default_farm_id": self.closed.id,
        }
        self.assertOwn(self.sessions_by_hand.with_context(**forged).create(self.vals))
        named = self.sessions_by_hand.with_context(default_meter_id=self.meter.id).create({"start_time": START})
        self.assertEqual(named.meter_id, self.meter)

    def test_defaults_of_a_user_count_nothing(self):
        defaults = self.env["ir.default"].with_user(self.manager)
        for name, value in (("production_id", self.other_record.id), ("state", "completed"), ("typed_values", 5)):
            defaults.set("milk.session", name, value, user_id=True)
        self.assertOwn(self.sessions_by_hand.create(self.vals))

    def test_a_copy_has_nothing_of_it(self):
        session = self.milk(12.0).with_user(self.manager)
        self.assertOwn(session.copy())
        with self.assertRaisesRegex(AccessError, "platform alone"):
            session.copy({"production_id": self.other_record.id})

    def test_an_import_is_refused_with_the_reason(self):
        for name, value in (("name", GONE), ("production_id/.id", str(self.other_record.id))):
            result = self.sessions_by_hand.load(["meter_id/.id", name], [[str(self.meter.id), value]])
            self.assertFalse(result["ids"])
            self.assertIn("platform alone", result["messages"][0]["message"])
        self.assertTrue(self.sessions_by_hand.load(["meter_id/.id"], [[str(self.meter.id)]])["ids"])

    def test_no_other_record_is_the_way_round(self):
        first, second = self.milking_at(0, session_id="a"), self.milking_at(3600, session_id="b")
        point = self.meter.milking_point_ids
        for record, vals in (
            (point, {"session_ids": [(1, first.id, {"production_id": self.other_record.id})]}),
            (point, {"session_ids": [(0, 0, {**self.vals, "name": GONE})]}),
            (first, {"continued_by_ids": [(4, second.id)]}),
        ):
            with self.assertRaisesRegex(AccessError, "platform alone"):
                record.with_user(self.manager).write(vals)

    # ------------------------------------------------------------------ beyond one's farms

    def test_a_record_of_another_farm_is_not_the_milkings_whatever_its_name(self):
        session = self.milk(12.0)
        own = session.production_id
        session.write({"name": GONE, "production_id": self.other_record.id})
        self.env.flush_all()
        for vals in ({"fat_percentage": 4.4}, {"total_yield": 0.0}, {"animal_id": False}):
            with self.subTest(vals):
                session.with_user(self.manager).write(vals)
                self.assertRecordValues(
                    self.other_record, [{"quantity": 9.0, "fat_percentage": 0.0, "animal_id": self.other_cow.id}]
                )
                self.assertFalse(session.production_id)
        session.with_user(self.manager).write({"animal_id": self.cow.id, "total_yield": 5.0})
        with self.assertRaisesRegex(UserError, "of another farm"):
            session.with_user(self.manager).action_create_production_record()
        self.assertTrue(own.exists())

    def test_a_milking_whose_place_another_farms_record_has_keeps_no_other_from_its_own(self):
        session, other = self.milk(12.0), self.milking_at(7200, session_id="b")
        session.production_id.unlink()
        session.name = GONE
        (session | other).with_user(self.manager).write({"fat_percentage": 4.4})
        self.assertFalse(session.production_id)
        self.assertEqual(other.production_id.fat_percentage, 4.4)
        self.assertEqual((session | other).mapped("fat_percentage"), [4.4, 4.4])
        self.assertEqual(self.other_record.fat_percentage, 0.0)

    def test_no_milking_is_put_at_the_meter_of_a_closed_farm(self):
        session = self.sessions_by_hand.create(self.vals)
        for vals in ({"meter_id": self.other_meter.id}, {"meter_id": self.other_meter.id, "farm_id": self.farm.id}):
            with self.subTest(vals), self.assertRaises(AccessError):
                session.write(vals)
            with self.subTest(vals), self.assertRaises(AccessError):
                self.sessions_by_hand.create({**self.vals, **vals})

    def test_nobody_names_an_animal_that_he_does_not_see(self):
        session = self.milk(12.0).with_user(self.manager)
        with self.assertRaisesRegex(AccessError, "This animal"):
            session.animal_id = self.other_cow
        with self.assertRaisesRegex(AccessError, "This animal"):
            self.sessions_by_hand.create({**self.vals, "animal_id": self.other_cow.id})
        self.cow.farm_id = self.closed
        session.write({"animal_id": self.cow.id, "fat_percentage": 4.4})
        self.assertEqual(session.fat_percentage, 4.4)

    def test_no_default_names_an_animal_that_the_user_does_not_see(self):
        vals = {"meter_id": self.meter.id, "start_time": START, "current_yield": 7.0}
        with self.assertRaisesRegex(AccessError, "This animal"):
            self.sessions_by_hand.with_context(default_animal_id=self.other_cow.id).create(vals)
        self.env["ir.default"].with_user(self.manager).set("milk.session", "animal_id", self.other_cow.id, user_id=True)
        with self.assertRaisesRegex(AccessError, "This animal"):
            self.sessions_by_hand.create(vals)

    def test_an_animal_that_the_user_sees_may_be_a_default(self):
        session = self.sessions_by_hand.with_context(default_animal_id=self.cow.id).create(
            {"meter_id": self.meter.id, "start_time": START}
        )
        self.assertEqual((session.animal_id, session.identification), (self.cow, "person"))

    def test_no_default_of_a_user_says_what_was_typed_into_a_record(self):
        self.env["ir.default"].with_user(self.manager).set(
            "farm.milk.production", "typed_values", ["quantity"], user_id=True
        )
        session = self.sessions_by_hand.create(self.vals | {"current_yield": 7.0})
        session.action_complete()
        production = session.sudo().production_id
        self.assertEqual((production.quantity, production.typed_values), (7.0, False))

    def test_no_default_says_whose_company_the_milk_is(self):
        company = self.env["res.company"].create({"name": "Foreign Dairy"})
        self.manager.company_ids = [(4, company.id)]
        self.env["ir.default"].with_user(self.manager).set(
            "farm.milk.production", "company_id", company.id, user_id=True
        )
        session = self.sessions_by_hand.create(self.vals | {"current_yield": 7.0})
        session.with_context(default_company_id=company.id).action_complete()
        typed = (
            self.env["farm.milk.production"].with_user(self.manager).create({"animal_id": self.cow.id, "quantity": 3.0})
        )
        for production in (session.sudo().production_id, typed):
            self.assertEqual((production.farm_id, production.company_id), (self.farm, self.farm.company_id))

    def test_who_only_reads_milkings_makes_nothing_follow(self):
        session, running = self.milk(12.0), self.milking_at(7200, end=False, session_id="b")
        session.production_id.unlink()
        session.invalidate_recordset()
        for record, action in (
            (session, "action_create_production_record"),
            (session, "action_cancel"),
            (session, "action_leave_unknown"),
            (running, "action_complete"),
        ):
            self.assertTrue(record.with_user(self.milker).read(["name"]))
            if action == "action_leave_unknown":
                session.animal_id = False
            with self.subTest(action), self.assertRaises(AccessError):
                getattr(record.with_user(self.milker), action)()
        self.assertFalse(self.env["farm.milk.production"].search([("source_reference", "=", session.name)]))

    # ------------------------------------------------------------------ what people do all day

    def test_a_manager_enters_ends_corrects_and_cancels(self):
        session = self.sessions_by_hand.create({**self.vals, "current_yield": 7.0})
        session.action_complete()
        self.assertRecordValues(session, [{"state": "completed", "total_yield": 7.0, "identification": "person"}])
        session.with_context(from_meter=True).write({"total_yield": 8.0})
        self.assertEqual((session.production_id.quantity, session.typed_values), (8.0, ["total_yield"]))
        session.animal_id = False
        self.assertFalse(session.production_id)
        session.action_leave_unknown()
        self.assertTrue(session.left_unknown)
        session.action_cancel()
        self.assertEqual(session.state, "cancelled")
