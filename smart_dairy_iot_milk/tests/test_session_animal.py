"""Whose milking it is."""

from datetime import timedelta

from odoo.tests.common import tagged

from odoo.addons.smart_dairy_farm.tools.rfid import to_decimal

from .common import OTHER_TAG, PRINTED_TAG, START, TAG, MilkCase
from .udder_common import UdderCase


@tagged("post_install", "-at_install")
class TestAnimal(MilkCase):
    def test_the_tag_names_the_cow_in_whatever_form_it_comes(self):
        for number, form in enumerate([TAG, "999123456789012", "LA 999 123456789012", "3E7.1CBE991A14"]):
            self.message(10 + number, 1.0, session_id=f"form{number}", rfid_tag=form, channel=number)
        self.process()
        self.assertEqual(len(self.sessions()), 4)
        self.assertEqual(self.sessions().animal_id, self.cow)
        self.assertEqual(set(self.sessions().mapped("rfid_tag")), {TAG})

    def test_the_cow_is_the_one_that_wore_the_tag_then(self):
        self.cow.rfid_ids.write({"date_from": START - timedelta(days=9), "date_to": START + timedelta(days=1)})
        heir = self.env["farm.animal"].create({"name": "18", "farm_id": self.farm.id, "rfid_tag": TAG})
        self.assertEqual(self.env["farm.animal"]._find_by_rfid(TAG), heir)
        self.assertEqual(self.milk().animal_id, self.cow)

    def test_a_milking_of_an_unknown_cow_is_kept(self):
        session = self.milk(rfid_tag=OTHER_TAG)
        self.assertRecordValues(
            session, [{"state": "completed", "animal_id": False, "rfid_tag": OTHER_TAG, "total_yield": 12.0}]
        )
        self.assertFalse(session.production_id)

    def test_a_tag_that_is_none_is_kept_as_it_was_sent(self):
        session = self.milk(rfid_tag="no tag at all")
        self.assertRecordValues(session, [{"animal_id": False, "rfid_tag": "no tag at all"}])

    def test_a_tag_takes_the_place_of_what_was_none(self):
        self.message(10, 1.0, rfid_tag="NO READ")
        self.process()
        self.assertEqual(self.sessions().rfid_tag, "NO READ")
        self.message(20, 2.0, rfid_tag=TAG)
        self.process()
        self.assertRecordValues(self.sessions(), [{"rfid_tag": TAG, "animal_id": self.cow.id}])

    def read(self, *tags, start=10, end=True, **payload):
        """A milking in which these tags were read one after the other; None: nothing was read."""
        for number, tag in enumerate(tags):
            last = number == len(tags) - 1
            self.message(start + number, 1.0 + number, rfid_tag=tag, milking=not (end and last), **payload)
        self.process()
        return self.sessions()[:1]

    def other_cow(self, **values):
        return self.env["farm.animal"].create({"name": "18", "farm_id": self.farm.id, "rfid_tag": OTHER_TAG, **values})

    def doubts(self, session):
        return self.env["iot.event"].search([("dedup_key", "=", f"milking_doubtful:{session.name}")])

    def test_readings_are_counted(self):
        session = self.read(None, TAG, TAG, "NO READ", TAG)
        self.assertEqual(session.tag_reads, {TAG: 3, "NO READ": 1})
        self.assertRecordValues(session, [{"identification": "tag", "animal_id": self.cow.id, "rfid_tag": TAG}])
        self.assertIn("999123456789012: 3 times", session.tag_reads_text, "as printed on the ear tag")
        self.assertIn("NO READ: once", session.tag_reads_text)
        self.assertEqual(session.printed_tag, "999123456789012")

    def test_the_tag_that_two_of_three_readings_agree_on_names_the_cow_in_whatever_order_they_come(self):
        other = self.other_cow()
        self.message(30, 3.0, rfid_tag=TAG)
        self.process()
        self.message(10, 1.0, rfid_tag=OTHER_TAG)
        self.message(20, 2.0, rfid_tag=TAG, milking=False)
        self.process()
        self.assertRecordValues(self.sessions(), [{"rfid_tag": TAG, "animal_id": self.cow.id}])
        self.assertNotEqual(self.sessions().animal_id, other)

    def test_two_tags_read_as_often_name_nobody_and_a_person_is_told(self):
        self.other_cow()
        session = self.read(TAG, OTHER_TAG, TAG, OTHER_TAG)
        self.assertRecordValues(
            session,
            [{"identification": "doubtful", "animal_id": False, "production_id": False, "state": "completed"}],
        )
        self.assertTrue(session.doubt_reason)
        self.assertRecordValues(self.doubts(session), [{"kind": "milking_doubtful", "severity": "medium"}])

    def test_a_second_tag_takes_the_cow_back_off_a_running_milking(self):
        self.other_cow()
        self.read(TAG, end=False)
        self.assertEqual(self.sessions().animal_id, self.cow)
        session = self.read(OTHER_TAG, start=20, end=False)
        self.assertRecordValues(session, [{"identification": "doubtful", "animal_id": False}])
        session = self.read(TAG, TAG, start=30)
        self.assertRecordValues(session, [{"identification": "tag", "animal_id": self.cow.id, "doubt_reason": False}])

    def test_a_late_reading_that_makes_a_milking_doubtful_takes_its_production_back(self):
        self.other_cow()
        session = self.read(TAG)
        self.assertTrue(session.production_id)
        self.message(9, 0.9, rfid_tag=OTHER_TAG)
        self.process()
        self.assertRecordValues(session, [{"identification": "doubtful", "animal_id": False, "production_id": False}])

    def test_ear_tag_and_bolus_of_one_cow_speak_for_each_other(self):
        self.env["farm.animal.rfid"].create(
            {"animal_id": self.cow.id, "printed_tag": OTHER_TAG, "is_primary": False, "date_from": False}
        )
        session = self.read(TAG, OTHER_TAG, TAG, OTHER_TAG)
        self.assertRecordValues(session, [{"identification": "tag", "animal_id": self.cow.id}])

    def test_a_line_that_holds_two_tags_is_a_reading_of_both(self):
        self.other_cow()
        session = self.read(f"{PRINTED_TAG}\r\n{to_decimal(OTHER_TAG)}")
        self.assertEqual(session.tag_reads, {TAG: 1, OTHER_TAG: 1})
        self.assertFalse(session.animal_id)

    def test_a_line_that_was_sent_twice_in_one_is_one_reading(self):
        session = self.read(f"{PRINTED_TAG}\r\n{PRINTED_TAG}\r\n")
        self.assertRecordValues(session, [{"tag_reads": {TAG: 1}, "animal_id": self.cow.id}])

    def test_a_single_reading_beside_a_fragment_of_another_tag_is_doubtful(self):
        session = self.read("LA 982 00000108", TAG)
        self.assertRecordValues(session, [{"identification": "doubtful", "animal_id": False, "rfid_tag": TAG}])

    def test_the_number_and_the_tag_of_two_cows_contradict_each_other(self):
        self.other_cow()
        session = self.read(TAG, TAG, animal_id="18")
        self.assertRecordValues(session, [{"identification": "doubtful", "animal_id": False}])
        self.assertIn("18", session.doubt_reason)

    def test_the_number_and_the_tag_of_one_cow_agree(self):
        session = self.read(TAG, TAG, animal_id="17")
        self.assertRecordValues(session, [{"identification": "tag", "animal_id": self.cow.id}])

    def test_a_milking_that_no_tag_names_is_nobodys(self):
        session = self.read(None, None)
        self.assertRecordValues(
            session, [{"identification": "none", "animal_id": False, "rfid_tag": False, "tag_reads": False}]
        )

    def test_a_person_knows_better_than_the_reader(self):
        other = self.other_cow()
        session = self.read(TAG, TAG)
        session.animal_id = other
        self.assertEqual(session.identification, "person")
        self.message(8, 0.5, rfid_tag=TAG)
        self.process()
        self.assertRecordValues(session, [{"identification": "person", "animal_id": other.id}])
        self.assertEqual(session.production_id.animal_id, other)

    # ------------------------------------------------------------------ one cow in two places

    def test_a_cow_milked_elsewhere_just_before_leaves_the_second_milking_without_an_animal(self):
        first = self.milking_at(0, session_id="s1", channel=1)
        second = self.milking_at(900, session_id="s2", channel=2)
        self.assertEqual(first.animal_id, self.cow)
        self.assertRecordValues(second, [{"identification": "doubtful", "animal_id": False, "production_id": False}])
        self.assertIn(first.name, second.doubt_reason)
        self.assertEqual(len(self.doubts(second)), 1)

    def test_the_earlier_milking_is_the_doubtful_one_where_its_reading_was_the_weaker(self):
        """Its cow was the neighbour of this one when her tag was read once."""
        self.message(60, 2.0, session_id="s1", channel=1, duration_seconds=60, rfid_tag=TAG)
        self.message(300, 9.0, session_id="s1", channel=1, duration_seconds=300, milking=False)
        self.process()
        first = self.sessions()
        self.assertTrue(first.production_id)
        second = self.milking_at(900, session_id="s2", channel=2)
        self.assertRecordValues(first, [{"identification": "doubtful", "animal_id": False, "production_id": False}])
        self.assertRecordValues(second, [{"identification": "tag", "animal_id": self.cow.id}])
        self.assertTrue(second.production_id)

    def test_a_single_reading_is_doubtful_in_the_whole_shift(self):
        first = self.milking_at(0, session_id="s1", channel=1)
        later = 300 + 80 * 60
        self.message(later + 300, 9.0, session_id="s2", channel=2, duration_seconds=300, milking=False, rfid_tag=TAG)
        self.process()
        self.assertRecordValues(self.sessions() - first, [{"identification": "doubtful", "animal_id": False}])
        self.assertEqual(first.animal_id, self.cow)

    def test_two_confirmed_milkings_so_far_apart_are_both_hers(self):
        self.milking_at(0, session_id="s1", channel=1)
        self.milking_at(300 + 80 * 60, session_id="s2", channel=2)
        self.assertEqual(self.sessions().animal_id, self.cow)
        self.assertEqual(set(self.sessions().mapped("identification")), {"tag"})

    def test_late_data_of_a_doubtful_milking_do_not_give_its_cow_back(self):
        self.milking_at(0, session_id="s1", channel=1)
        second = self.milking_at(900, session_id="s2", channel=2)
        self.message(1000, 3.0, session_id="s2", channel=2, duration_seconds=100, rfid_tag=TAG)
        self.process()
        self.assertRecordValues(second, [{"identification": "doubtful", "animal_id": False, "production_id": False}])

    def test_a_tag_read_late_names_the_cow_of_the_running_milking(self):
        self.message(10, 1.0)
        self.process()
        self.assertFalse(self.sessions().animal_id)
        self.message(20, 2.0, rfid_tag=TAG)
        self.process()
        self.assertEqual(self.sessions().animal_id, self.cow)

    def test_the_number_of_the_cow_will_do_without_a_tag(self):
        self.assertEqual(self.milk(rfid_tag=None, animal_id="17").animal_id, self.cow)

    def test_a_cow_that_was_entered_by_hand_stays(self):
        by_hand = self.env["farm.animal"].create({"name": "99", "farm_id": self.farm.id})
        self.message(10, 1.0)
        self.process()
        self.sessions().animal_id = by_hand
        self.message(20, 2.0, rfid_tag=TAG)
        self.process()
        self.assertEqual(self.sessions().animal_id, by_hand)

    def test_the_number_names_the_cow_of_the_farm_of_the_milking_though_the_meter_has_moved(self):
        self.message(10, 1.0)
        self.process()
        elsewhere = self.env["farm.location"].create({"name": "Elsewhere", "code": "elsewhere", "tz": "UTC"})
        self.env["farm.animal"].create({"name": "17", "farm_id": elsewhere.id})
        self.meter.write({"farm_id": elsewhere.id})
        self.message(20, 2.0, animal_id="17")
        self.process()
        self.assertEqual(self.sessions().animal_id, self.cow)

    def test_a_cow_of_another_company_is_unknown_here(self):
        company = self.env["res.company"].create({"name": "Neighbour"})
        farm = self.env["farm.location"].create(
            {"name": "N", "code": "neighbour", "company_id": company.id, "tz": "UTC"}
        )
        self.env["farm.animal"].create({"name": "1", "farm_id": farm.id, "rfid_tag": OTHER_TAG})
        self.assertFalse(self.milk(rfid_tag=OTHER_TAG).animal_id)


@tagged("post_install", "-at_install")
class TestUdderWhenTheAnimalChanges(UdderCase):
    """What an udder shows is said of a cow: nothing where a milking loses its cow, and of another by her history."""

    def setUp(self):
        super().setUp()
        self.healthy()

    def weak(self, seconds=0, **payload):
        """A suspect milking of the cow that rests on a single reading; returns its session."""
        quality = {"conductivity": 7.6}
        payload = {"session_id": "weak", "channel": 1, **payload}
        self.message(seconds + 60, 2.0, duration_seconds=60, rfid_tag=TAG, quality=quality, **payload)
        self.message(seconds + 300, 12.0, duration_seconds=300, milking=False, quality=quality, **payload)
        self.process()
        return self.session(**payload)

    def session(self, session_id, channel):
        return self.sessions().search([("wire_session_id", "=", session_id), ("channel", "=", channel)])

    def assert_nothing_is_said(self, session):
        self.assertRecordValues(
            session,
            [
                {
                    "identification": "doubtful",
                    "animal_id": False,
                    "production_id": False,
                    "mastitis_level": False,
                    "mastitis_score": 0.0,
                    "mastitis_reasons": False,
                    "expected_yield": 0.0,
                    "mastitis_event_id": False,
                }
            ],
        )

    def test_an_earlier_milking_that_loses_its_cow_is_no_longer_suspect(self):
        first = self.weak()
        self.assertIn(first.mastitis_level, ("warning", "critical"))
        self.assertTrue(first.mastitis_event_id)
        second = self.milking_at(900, session_id="sure", channel=2, quality={"conductivity": 5.5})
        self.assert_nothing_is_said(first)
        self.assertRecordValues(second, [{"animal_id": self.cow.id, "mastitis_level": "normal"}])

    def test_a_later_milking_that_loses_its_cow_to_a_late_message_is_no_longer_suspect(self):
        later = self.weak(900)
        self.assertIn(later.mastitis_level, ("warning", "critical"))
        self.milking_at(0, session_id="sure", channel=2, quality={"conductivity": 5.5})
        self.assert_nothing_is_said(later)

    def test_a_suspect_milking_that_was_another_cows_opens_an_episode_of_hers_and_leaves_the_first_one(self):
        other = self.env["farm.animal"].create({"name": "18", "farm_id": self.farm.id})
        self.healthy(cow=other)
        suspect = self.ill()
        episode = suspect.mastitis_event_id
        self.assertEqual(episode.animal_id, self.cow)
        suspect.animal_id = other
        self.assertEqual(suspect.mastitis_event_id.animal_id, other)
        self.assertNotEqual(suspect.mastitis_event_id, episode)
        self.assertNotIn(suspect, episode.session_ids)

    def test_the_rest_of_a_milking_loses_the_cow_with_it(self):
        first = self.weak()
        rest = self.weak(360, session_id="rest")
        self.assertEqual(rest.continues_id, first)
        self.assertEqual(first.production_id.quantity, 24.0)
        second = self.milking_at(1200, session_id="sure", channel=2)
        self.assertRecordValues(
            first | rest, 2 * [{"identification": "doubtful", "animal_id": False, "production_id": False}]
        )
        self.assertEqual(self.cow.production_ids.filtered(lambda made: made.source_reference == first.name).ids, [])
        self.assertEqual(second.production_id.quantity, 12.0)
