"""Tags that nobody wears are listed with where and when, and are one click from being somebody's."""

from datetime import timedelta

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests.common import new_test_user, tagged
from odoo.tools.safe_eval import safe_eval

from .common import OTHER_TAG, PRINTED_TAG, START, TAG, MilkCase

DAY = 24 * 3600


@tagged("post_install", "-at_install")
class TestUnknownTags(MilkCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.heifer = cls.env["farm.animal"].create({"name": "31", "farm_id": cls.farm.id})
        cls.service = cls.env["iot.rfid.service"]

    def unknown(self, tag=OTHER_TAG):
        return self.env["iot.rfid.unknown"].search([("rfid_tag", "=", tag), ("farm_id", "=", self.farm.id)])

    def milked_for_three_days(self):
        """Six milkings of the heifer whose tag nobody has entered yet; returns them, the first one first."""
        for number in range(6):
            self.milking_at(number * DAY // 2, session_id=f"s{number}", rfid_tag=OTHER_TAG)
        return self.sessions().sorted("start_time")

    def by_hand(self, **vals):
        """A milking that a manager enters."""
        manager = new_test_user(self.env, "herdsman", "smart_dairy_farm.group_farm_manager")
        vals = {"meter_id": self.meter.id, "start_time": START, "end_time": START + timedelta(minutes=6)} | vals
        return self.env["milk.session"].with_user(manager).create({"total_yield": 9.0, **vals})

    def test_a_tag_that_a_person_enters_tells_the_animal(self):
        session = self.by_hand(rfid_tag=PRINTED_TAG)
        self.assertRecordValues(
            session, [{"rfid_tag": TAG, "animal_id": self.cow.id, "identification": "tag", "tag_reads": {TAG: 1}}]
        )
        session.action_complete()
        self.assertEqual(session.production_id.quantity, 9.0)

    def test_a_tag_that_is_entered_later_tells_the_animal_of_a_milking_that_is_over(self):
        session = self.by_hand()
        session.action_complete()
        self.assertFalse(session.production_id)
        session.rfid_tag = PRINTED_TAG
        self.assertEqual((session.animal_id, session.production_id.quantity), (self.cow, 9.0))

    def test_a_tag_that_is_entered_contradicts_no_person(self):
        session = self.by_hand(rfid_tag=TAG, animal_id=self.heifer.id)
        self.assertRecordValues(session, [{"animal_id": self.heifer.id, "identification": "person"}])

    def test_a_tag_that_is_entered_and_that_nobody_wears_is_listed(self):
        session = self.by_hand(rfid_tag=OTHER_TAG)
        session.action_complete()
        self.assertFalse(session.animal_id)
        self.assertEqual(self.unknown().session_count, 1)

    def test_nothing_but_a_tag_is_entered_as_one(self):
        with self.assertRaisesRegex(ValidationError, "no animal's tag"):
            self.by_hand(rfid_tag="HELLO")

    def test_a_tag_that_nobody_wears_is_listed_with_where_and_when(self):
        sessions = self.milked_for_three_days()
        self.assertRecordValues(
            self.unknown(),
            [
                {
                    "is_tag": True,
                    "tag_decimal": "999123456789013",
                    "first_seen": START,
                    "last_seen": START + timedelta(days=2.5),
                    "sightings": 18,
                    "session_count": 6,
                    "meter_id": self.meter.id,
                    "last_session_id": sessions[-1].id,
                    "company_id": self.farm.company_id.id,
                    "state": "new",
                    "animal_id": False,
                }
            ],
        )

    def test_its_point_is_listed(self):
        point = self.env["iot.milk_meter.point"].create({"meter_id": self.meter.id, "point_number": 3})
        self.milking_at(0, channel=3, rfid_tag=OTHER_TAG)
        self.assertEqual(self.unknown().milking_point, point)

    def test_one_event_tells_of_a_tag_on_a_farm(self):
        self.milked_for_three_days()
        event = self.env["iot.event"].search([("kind", "=", "tag_unknown")])
        self.assertRecordValues(event, [{"severity": "low", "farm_id": self.farm.id, "timestamp": START}])
        self.assertIn("999123456789013", event.message)

    def test_a_tag_that_is_worn_is_not_listed(self):
        self.milking_at(0)
        self.assertFalse(self.unknown(TAG))

    def test_a_tag_read_once_beside_the_cows_own_is_a_misreading_and_not_listed(self):
        self.message(10, 1.0, rfid_tag=TAG)
        self.message(20, 2.0, rfid_tag=OTHER_TAG)
        self.message(30, 3.0, rfid_tag=TAG, milking=False)
        self.process()
        self.assertEqual(self.sessions().animal_id, self.cow)
        self.assertFalse(self.unknown())

    def test_noise_is_listed_where_it_is_all_that_was_read_and_cannot_be_assigned(self):
        self.milking_at(0, rfid_tag="#?&")
        unknown = self.unknown("#?&")
        self.assertRecordValues(unknown, [{"is_tag": False, "tag_decimal": False, "sightings": 3}])
        self.assertFalse(self.env["iot.event"].search([("kind", "=", "tag_unknown")]))
        with self.assertRaisesRegex(UserError, "no animal's tag"):
            self.service.assign_unknown(unknown.id, self.heifer.id)

    def test_late_messages_do_not_count_a_milking_twice(self):
        self.milking_at(0, rfid_tag=OTHER_TAG)
        self.message(200, 5.0, duration_seconds=200, rfid_tag=OTHER_TAG)
        self.process()
        self.assertEqual(self.unknown().sightings, 3)

    def test_a_tag_assigned_after_three_days_makes_six_milkings_and_their_production_the_cows(self):
        sessions = self.milked_for_three_days()
        self.assertFalse(sessions.animal_id)
        self.assertEqual(self.service.assign_unknown(self.unknown().id, self.heifer.id), sessions)
        self.assertEqual(sessions.animal_id, self.heifer)
        self.assertEqual(set(sessions.mapped("identification")), {"tag"})
        self.assertEqual(len(self.heifer.production_ids), 6)
        self.assertEqual(sum(self.heifer.production_ids.mapped("quantity")), 72.0)
        self.assertRecordValues(
            self.unknown(), [{"state": "assigned", "animal_id": self.heifer.id, "session_count": 0}]
        )
        self.assertRecordValues(self.heifer.rfid_ids, [{"rfid_tag": OTHER_TAG, "date_from": START, "date_to": False}])

    def test_milkings_before_the_tag_was_worn_stay_nobodys(self):
        sessions = self.milked_for_three_days()
        since = START + timedelta(days=1)
        self.service.assign_unknown(self.unknown().id, self.heifer.id, since=since)
        self.assertFalse(sessions[:2].animal_id)
        self.assertEqual(sessions[2:].animal_id, self.heifer)

    def test_a_milking_that_a_person_has_assigned_stays_as_it_is(self):
        sessions = self.milked_for_three_days()
        sessions[0].animal_id = self.cow
        self.service.assign_unknown(self.unknown().id, self.heifer.id)
        self.assertEqual(sessions[0].animal_id, self.cow)
        self.assertEqual(sessions[1:].animal_id, self.heifer)

    def test_a_doubtful_milking_stays_so_where_the_tag_was_only_one_of_two(self):
        for number, tag in enumerate((TAG, OTHER_TAG, TAG, OTHER_TAG)):
            self.message(10 + number, 1.0 + number, rfid_tag=tag, milking=number < 3)
        self.process()
        self.assertEqual(self.sessions().identification, "doubtful")
        self.service.assign_unknown(self.unknown().id, self.heifer.id)
        self.assertRecordValues(self.sessions(), [{"identification": "doubtful", "animal_id": False}])

    def test_a_doubtful_milking_is_hers_where_both_tags_are(self):
        for number, tag in enumerate((TAG, OTHER_TAG, TAG, OTHER_TAG)):
            self.message(10 + number, 1.0 + number, rfid_tag=tag, milking=number < 3)
        self.process()
        self.service.assign_unknown(self.unknown().id, self.cow.id, is_primary=False)
        self.assertRecordValues(self.sessions(), [{"identification": "tag", "animal_id": self.cow.id}])
        self.assertEqual(self.cow.rfid_tag, TAG)

    def test_a_primary_tag_takes_the_place_of_the_one_worn_so_far(self):
        self.milked_for_three_days()
        self.service.assign_unknown(self.unknown().id, self.cow.id)
        self.assertEqual(self.cow.rfid_tag, OTHER_TAG)
        former = self.cow.rfid_ids.filtered("date_to")
        self.assertRecordValues(former, [{"rfid_tag": TAG, "date_to": START, "removal_reason": "replaced"}])

    def test_an_animal_of_another_company_is_refused(self):
        self.milked_for_three_days()
        company = self.env["res.company"].create({"name": "Neighbour"})
        farm = self.env["farm.location"].create(
            {"name": "N", "code": "neighbour", "company_id": company.id, "tz": "UTC"}
        )
        stranger = self.env["farm.animal"].create({"name": "1", "farm_id": farm.id})
        with self.assertRaisesRegex(UserError, "another company"):
            self.service.assign_unknown(self.unknown().id, stranger.id)

    def test_a_tag_that_somebody_else_wears_by_now_is_refused(self):
        self.milked_for_three_days()
        self.env["farm.animal.rfid"].create(
            {"animal_id": self.cow.id, "printed_tag": OTHER_TAG, "is_primary": False, "date_from": START}
        )
        with self.assertRaises(ValidationError):
            self.service.assign_unknown(self.unknown().id, self.heifer.id)

    def test_a_tag_is_assigned_once(self):
        self.milked_for_three_days()
        self.service.assign_unknown(self.unknown().id, self.heifer.id)
        with self.assertRaisesRegex(UserError, "31"):
            self.service.assign_unknown(self.unknown().id, self.cow.id)

    def test_a_tag_taken_off_again_and_still_read_comes_back_to_the_list(self):
        self.milking_at(0, session_id="s1", rfid_tag=OTHER_TAG)
        self.service.assign_unknown(self.unknown().id, self.heifer.id)
        self.service.retire_rfid(OTHER_TAG, "lost", START + timedelta(hours=1))
        self.milking_at(DAY, session_id="s2", rfid_tag=OTHER_TAG)
        self.assertRecordValues(self.unknown(), [{"state": "new", "animal_id": False, "sightings": 6}])

    def test_an_ignored_tag_stays_so_though_it_is_read_again(self):
        self.milking_at(0, session_id="s1", rfid_tag=OTHER_TAG)
        self.unknown().action_ignore()
        self.milking_at(DAY, session_id="s2", rfid_tag=OTHER_TAG)
        self.assertRecordValues(self.unknown(), [{"state": "ignored", "sightings": 6}])
        self.unknown().action_restore()
        self.assertEqual(self.unknown().state, "new")

    def test_the_window_proposes_the_first_sighting_and_shows_what_became_hers(self):
        sessions = self.milked_for_three_days()
        action = self.unknown().action_assign()
        wizard = self.env[action["res_model"]].with_context(**action["context"]).create({"animal_id": self.heifer.id})
        self.assertRecordValues(wizard, [{"since": START, "is_primary": True, "session_count": 6}])
        shown = wizard.action_assign()
        self.assertEqual(self.env["milk.session"].search(shown["domain"]), sessions)

    def test_the_window_offers_the_animals_of_the_farm_where_the_tag_was_read(self):
        self.milked_for_three_days()
        elsewhere = self.env["farm.location"].create({"name": "Elsewhere", "code": "ELSE-TAG"})
        stranger = self.env["farm.animal"].create({"name": "31", "farm_id": elsewhere.id})
        wizard = self.env["iot.rfid.assign"].new({"unknown_id": self.unknown().id})
        domain = safe_eval(wizard._fields["animal_id"].domain, {"farm_id": wizard.farm_id.id})
        offered = self.env["farm.animal"].browse([id_ for id_, _name in stranger.name_search("31", domain)])
        self.assertIn(self.heifer, offered)
        self.assertNotIn(stranger, offered)

    def test_who_may_assign_and_see(self):
        self.milked_for_three_days()
        user = new_test_user(self.env, "tag.user", groups="smart_dairy_farm.group_farm_user")
        manager = new_test_user(self.env, "tag.manager", groups="smart_dairy_farm.group_farm_manager")
        unknown = self.unknown()
        self.assertEqual(unknown.with_user(user).sightings, 18)
        with self.assertRaises(AccessError):
            self.service.with_user(user).assign_unknown(unknown.id, self.heifer.id)
        self.farm.user_ids = user
        with self.assertRaises(AccessError):
            unknown.with_user(manager).read(["sightings"])
        self.farm.user_ids = user | manager
        for name, field in unknown._fields.items():
            if field.readonly and field.store:
                with self.subTest(name), self.assertRaisesRegex(AccessError, "platform alone"):
                    unknown.with_user(manager).write({name: False})
        unknown.with_user(manager).action_ignore()
        unknown.with_user(manager).action_restore()
        self.assertEqual(len(self.service.with_user(manager).assign_unknown(unknown.id, self.heifer.id)), 6)
