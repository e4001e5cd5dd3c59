"""Milkings without an animal are on a list with the likely one, and become hers when a person says so."""

from ast import literal_eval
from datetime import timedelta

from odoo.exceptions import AccessError, UserError
from odoo.tests.common import new_test_user, tagged

from .common import OTHER_TAG, START, TAG, MilkCase

MINUTES = timedelta(minutes=1)
COWS = 12


@tagged("post_install", "-at_install")
class TestProposals(MilkCase):
    """Twelve cows come in the order of their numbers; the first gives 8 L, each next one a litre more."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pen = cls.env["farm.pen"].create({"name": "Lactating", "code": "L", "farm_id": cls.farm.id})
        cls.cows = cls.cow | cls.env["farm.animal"].create(
            [{"name": f"{100 + number}", "farm_id": cls.farm.id} for number in range(1, COWS)]
        )
        cls.cows.pen_id = cls.pen
        for days in range(1, 8):
            cls.shift(START - timedelta(days=days), cls.cows)

    @classmethod
    def shift(cls, start, cows, unread=()):
        """A milking of these cows, five minutes each; those in `unread` without their animal. Returns the sessions."""
        numbers = [list(cls.cows).index(cow) for cow in cows]
        return cls.env["milk.session"].create(
            [
                {
                    "meter_id": cls.meter.id,
                    "session_key": f"{start:%d}-{number}",
                    "source": "mqtt",
                    "channel": number % 2,
                    "animal_id": False if cow in unread else cow.id,
                    "identification": "none" if cow in unread else "tag",
                    "start_time": start + 5 * number * MINUTES,
                    "end_time": start + (5 * number + 4) * MINUTES,
                    "last_message_at": start + (5 * number + 4) * MINUTES,
                    "total_yield": 8.0 + number,
                    "state": "completed",
                }
                for number, cow in zip(numbers, cows, strict=True)
            ]
        )

    def to_assign(self):
        return self.env["milk.session"].search(
            [("meter_id", "=", self.meter.id), *self.env["milk.session"]._to_assign_domain()]
        )

    def today_without(self, *numbers):
        """Today's milking, in which the tags of some cows were not read; returns the sessions without an animal."""
        unread = self.env["farm.animal"].union(*[self.cows[number] for number in numbers])
        sessions = self.shift(START, self.cows, unread)
        return sessions.filtered(lambda session: not session.animal_id).sorted("start_time")

    def test_the_list_is_of_completed_milkings_without_an_animal(self):
        unknown = self.today_without(3)
        self.assertEqual(self.to_assign(), unknown)
        unknown.state = "cancelled"
        self.assertFalse(self.to_assign())

    def test_the_menu_shows_that_list(self):
        action = self.env.ref("smart_dairy_iot_milk.milk_session_assign_action")
        self.assertEqual(literal_eval(action.domain), self.env["milk.session"]._to_assign_domain())

    def test_the_cow_that_is_missing_is_proposed_with_the_reason_in_words(self):
        unknown = self.today_without(3)
        unknown._propose_animals()
        self.assertEqual(unknown.proposed_animal_id, self.cows[3])
        self.assertGreater(unknown.proposal_certainty, 0.6)
        self.assertIn("11.0 L, usually 11.0 L", unknown.proposal_reason)
        self.assertIn("27 % of the milking's order", unknown.proposal_reason)
        self.assertIn("100 % of the cows around", unknown.proposal_reason)

    def test_a_proposal_assigns_nothing(self):
        unknown = self.today_without(3)
        unknown._propose_animals()
        self.assertRecordValues(unknown, [{"animal_id": False, "identification": "none", "production_id": False}])

    def test_several_are_told_apart(self):
        unknown = self.today_without(1, 5, 10)
        unknown._propose_animals()
        self.assertEqual(
            [session.proposed_animal_id for session in unknown], [self.cows[1], self.cows[5], self.cows[10]]
        )

    def test_cows_that_are_dry_or_of_another_farm_are_not_proposed(self):
        unknown = self.today_without(3)
        self.cows[3].status = "dry"
        unknown._propose_animals()
        self.assertFalse(unknown.proposed_animal_id)

    def test_a_cow_milked_elsewhere_at_that_time_is_not_proposed(self):
        unknown = self.today_without(3)
        self.env["milk.session"].create(
            {
                "meter_id": self.make_meter("MM-2").id,
                "animal_id": self.cows[3].id,
                "start_time": START + 90 * MINUTES,
                "total_yield": 4.0,
            }
        )
        unknown._propose_animals()
        self.assertFalse(unknown.proposed_animal_id)

    def test_a_tag_that_was_not_certain_speaks_for_its_cow(self):
        """The fourth and the fifth are missing; what was milked is a little more like the fourth's."""
        self.cows[4].rfid_tag = OTHER_TAG
        sessions = self.shift(START, self.cows - self.cows[4], self.cows[3])
        unknown = sessions.filtered(lambda session: not session.animal_id)
        unknown.with_context(from_meter=True).total_yield = 11.4
        unknown._propose_animals()
        self.assertNotEqual(unknown.proposed_animal_id, self.cows[4])
        unknown.with_context(from_meter=True).write({"tag_reads": {OTHER_TAG: 1, TAG: 1}, "identification": "doubtful"})
        unknown._propose_animals()
        self.assertEqual(unknown.proposed_animal_id, self.cows[4])
        self.assertIn("the tag was read", unknown.proposal_reason)

    def test_who_asks_for_proposals_is_told_for_how_many_milkings_there_is_one(self):
        unknown = self.today_without(1, 5, 10)
        said = unknown.action_propose()["params"]
        self.assertEqual((said["type"], said["message"]), ("success", "A likely animal was found for 3 of 3 milkings."))
        self.cows.status = "dry"
        said = unknown.action_propose()["params"]
        self.assertEqual((said["type"], said["message"]), ("info", "A likely animal was found for 0 of 3 milkings."))

    def test_nothing_is_proposed_where_nothing_is_known(self):
        self.env["milk.session"].search([("meter_id", "=", self.meter.id)]).unlink()
        session = self.milk(rfid_tag=None)
        session._propose_animals()
        self.assertRecordValues(session, [{"proposed_animal_id": False, "proposal_certainty": 0.0}])

    def test_an_accepted_proposal_is_the_cows_with_her_production(self):
        unknown = self.today_without(3)
        unknown._propose_animals()
        unknown.action_accept_proposal()
        self.assertRecordValues(
            unknown,
            [{"animal_id": self.cows[3].id, "identification": "proposal", "proposed_animal_id": False}],
        )
        self.assertRecordValues(unknown.production_id, [{"animal_id": self.cows[3].id, "quantity": 11.0}])
        self.assertFalse(self.to_assign())

    def test_many_are_accepted_at_once(self):
        unknown = self.today_without(1, 5, 10)
        unknown._propose_animals()
        self.assertIs(unknown.action_accept_proposal(), True)
        self.assertEqual(len(unknown.production_id), 3)

    def test_a_proposal_that_has_been_overtaken_is_refused(self):
        unknown = self.today_without(3)
        unknown._propose_animals()
        elsewhere = self.env["milk.session"].create(
            {
                "meter_id": self.make_meter("MM-2").id,
                "animal_id": self.cows[3].id,
                "start_time": START + 60 * MINUTES,
                "total_yield": 9.0,
            }
        )
        with self.assertRaisesRegex(UserError, elsewhere.name):
            unknown.action_accept_proposal()
        self.assertFalse(unknown.animal_id)

    def test_without_a_proposal_there_is_nothing_to_accept(self):
        with self.assertRaisesRegex(UserError, "No likely animal"):
            self.today_without(3).action_accept_proposal()

    def test_another_animal_is_assigned_by_the_window(self):
        unknown = self.today_without(3)
        unknown._propose_animals()
        action = unknown.action_assign()
        wizard = self.env[action["res_model"]].with_context(**action["context"]).create({})
        self.assertRecordValues(
            wizard,
            [{"animal_id": self.cows[3].id, "proposed_animal_id": self.cows[3].id, "farm_id": self.farm.id}],
        )
        wizard.animal_id = self.cows[4]
        wizard.action_assign()
        self.assertRecordValues(unknown, [{"animal_id": self.cows[4].id, "identification": "person"}])

    def test_what_cannot_be_known_leaves_the_list_and_keeps_its_milk(self):
        unknown = self.today_without(3)
        unknown.action_leave_unknown()
        self.assertFalse(self.to_assign())
        self.assertRecordValues(unknown, [{"total_yield": 11.0, "animal_id": False, "left_unknown": True}])
        unknown.animal_id = self.cows[3]
        self.assertFalse(unknown.left_unknown)

    def test_the_animal_taken_away_puts_the_milking_back_on_the_list(self):
        sessions = self.shift(START, self.cows)
        sessions[2].animal_id = False
        self.assertEqual(self.to_assign(), sessions[2])
        self.assertEqual(sessions[2].identification, "none")

    def test_only_managers_assign(self):
        unknown = self.today_without(3)
        unknown._propose_animals()
        user = new_test_user(self.env, "assign.user", groups="smart_dairy_farm.group_farm_user")
        manager = new_test_user(self.env, "assign.manager", groups="smart_dairy_farm.group_farm_manager")
        with self.assertRaises(AccessError):
            unknown.with_user(user).action_accept_proposal()
        with self.assertRaises(AccessError):
            self.env["milk.session.assign"].with_user(user).create({"animal_id": self.cow.id})
        unknown.with_user(manager).action_accept_proposal()
        self.assertEqual(unknown.animal_id, self.cows[3])

    def test_proposals_cost_no_query_for_each_cow(self):
        unknown = self.today_without(1, 5, 10)
        self.env.flush_all()
        self.env.invalidate_all()
        with self.assertQueryCount(40):
            unknown._propose_animals()
            self.env.flush_all()
