"""One cow told of at two points at once: the milking that is surer of her keeps her, whichever began or ended first."""

from itertools import permutations, product

from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests.common import new_test_user, tagged

from .common import OTHER_TAG, START, TAG, MilkCase, migrate


@tagged("post_install", "-at_install")
class TestOneCowAtTwoPoints(MilkCase):
    def say(self, channel, began, seconds, liters, tag=None, end=False):
        """What the meter of a point says `seconds` after the start of a milking that `began` so late after it."""
        self.message(
            seconds,
            liters,
            session_id=f"s{channel}-{began}",
            channel=channel,
            duration_seconds=seconds - began,
            rfid_tag=tag,
            milking=not end,
        )
        self.process()

    def milking(self, channel, began, tags):
        """The messages of a milking, in which the tag is read so often, but for its end: (seconds, ...) of `say`."""
        return [
            (began + 20 * number, channel, began, float(number), TAG if number <= tags else None, False)
            for number in range(1, 6)
        ]

    def play(self, *messages):
        for seconds, channel, began, liters, tag, end in sorted(messages):
            self.say(channel, began, seconds, liters, tag, end)

    def end(self, channel, began, seconds):
        return seconds, channel, began, 10.0, None, True

    def at(self, channel):
        return self.sessions().filtered(lambda session: session.channel == channel)

    def assert_hers(self, sessions):
        for session in sessions:
            self.assertRecordValues(session, [{"identification": "tag", "animal_id": self.cow.id}])
            self.assertEqual(session.production_id.quantity, 10.0)

    def assert_doubtful(self, sessions):
        self.assertTrue(sessions)
        for session in sessions:
            self.assertRecordValues(
                session, [{"identification": "doubtful", "animal_id": False, "production_id": False}]
            )

    # ------------------------------------------------------------------ a misreading, and her own milking

    def test_her_own_milking_keeps_her_whichever_of_the_two_began_and_ended_first(self):
        """At point 1 her tag was read once, of a neighbour; at point 2 she is milked."""
        for number, (misread_begins, misread_ends) in enumerate(product((0, 30), (400, 500))):
            hers_begins, hers_ends = 30 - misread_begins, 900 - misread_ends
            shift = 100_000 * number
            with self.subTest(misread=(misread_begins, misread_ends), hers=(hers_begins, hers_ends)):
                before = self.sessions()
                self.play(
                    *self.milking(1, shift + misread_begins, tags=1),
                    *self.milking(2, shift + hers_begins, tags=5),
                    self.end(1, shift + misread_begins, shift + misread_ends),
                    self.end(2, shift + hers_begins, shift + hers_ends),
                )
                now = self.sessions() - before
                self.assertEqual(len(now), 2)
                self.assert_doubtful(now.filtered(lambda session: session.channel == 1))
                self.assert_hers(now.filtered(lambda session: session.channel == 2))

    def test_nothing_is_decided_while_the_misread_milking_goes_on(self):
        self.play(*self.milking(1, 0, tags=1), *self.milking(2, 30, tags=5), self.end(2, 30, 400))
        self.assert_hers(self.at(2))
        self.assertRecordValues(self.at(1), [{"state": "in_progress", "animal_id": self.cow.id}])
        self.assertFalse(self.env["iot.event"].search([("kind", "=", "milking_doubtful")]))

    def test_a_misread_milking_that_a_time_out_ends_loses_her_then(self):
        self.play(*self.milking(1, 0, tags=1), *self.milking(2, 30, tags=5), self.end(2, 30, 400))
        self.at(1)._complete(self.at(1).last_message_at)
        self.assert_doubtful(self.at(1))
        self.assert_hers(self.at(2))

    def test_a_milking_that_proves_as_sure_by_its_end_leaves_neither_with_an_animal(self):
        self.play(*self.milking(1, 0, tags=1), *self.milking(2, 30, tags=5), self.end(2, 30, 400))
        self.assert_hers(self.at(2))
        for seconds in (120, 140, 160):
            self.say(1, 0, seconds, 6.0, TAG)
        self.play(self.end(1, 0, 500))
        self.assert_doubtful(self.at(1) | self.at(2))

    def test_the_rest_of_a_misread_milking_that_goes_on_is_waited_for(self):
        self.play(*self.milking(1, 0, tags=1), self.end(1, 0, 110))
        self.play(*self.milking(1, 150, tags=1), *self.milking(2, 160, tags=5), self.end(2, 160, 400))
        self.assert_hers(self.at(2))
        self.play(self.end(1, 150, 450))
        self.assertEqual(len(self.at(1)), 2)
        self.assert_doubtful(self.at(1))
        self.assert_hers(self.at(2))

    # ------------------------------------------------------------------ alike, and a third one

    def test_of_two_at_once_that_are_as_sure_neither_is_hers_whichever_ends_first(self):
        for number, (tags, ends) in enumerate(product((1, 5), ((500, 400), (400, 500)))):
            shift = 100_000 * number
            with self.subTest(tags=tags, ends=ends):
                before = self.sessions()
                self.play(
                    *self.milking(1, shift, tags),
                    *self.milking(2, shift + 30, tags),
                    self.end(1, shift, shift + ends[0]),
                    self.end(2, shift + 30, shift + ends[1]),
                )
                now = self.sessions() - before
                self.assertEqual(len(now), 2)
                self.assert_doubtful(now)
                for session in now:
                    self.assertIn((now - session).name, session.doubt_reason)
                    self.assertIn(self.cow.name, session.doubt_reason)
                self.assertEqual(
                    self.env["iot.event"].search_count(
                        [("dedup_key", "in", [f"milking_doubtful:{session.name}" for session in now])]
                    ),
                    2,
                )

    def test_two_that_touch_in_a_second_are_at_once_whichever_end_is_told_first(self):
        for number, (gap, ends) in enumerate(product((0, 1), permutations((1, 2)))):
            shift = 100_000 * number
            with self.subTest(gap=gap, ends=ends):
                before = self.sessions()
                began = {1: shift, 2: shift + 110 + gap}
                self.play(*self.milking(1, began[1], tags=5), *self.milking(2, began[2], tags=5))
                ended = {1: shift + 110, 2: shift + 500}
                for channel in ends:
                    self.play(self.end(channel, began[channel], ended[channel]))
                self.assertEqual(len(self.sessions() - before), 2)
                self.assert_doubtful(self.sessions() - before)

    def test_one_at_once_with_the_rest_of_another_is_at_once_with_that(self):
        self.play(*self.milking(1, 0, tags=5), self.end(1, 0, 110))
        self.play(*self.milking(1, 150, tags=5), *self.milking(2, 250, tags=5), self.end(1, 150, 400))
        self.play(self.end(2, 250, 500))
        self.assertEqual(len(self.at(1)), 2)
        self.assert_doubtful(self.at(1) | self.at(2))

    def two_at_once(self):
        self.play(*self.milking(1, 0, tags=5), *self.milking(2, 30, tags=5), self.end(1, 0, 400), self.end(2, 30, 500))
        self.assert_doubtful(self.at(1) | self.at(2))

    def test_late_readings_of_one_of_two_at_once_do_not_make_it_hers(self):
        self.two_at_once()
        self.say(1, 0, 130, 6.5, None)
        self.assert_doubtful(self.at(1) | self.at(2))

    def two_at_once_by_two_tags(self):
        """Her ear tag is read at point 1, and her bolus at point 2."""
        self.cow.write({"rfid_ids": [Command.create({"printed_tag": OTHER_TAG, "date_from": START})]})
        bolus = [(*message[:4], message[4] and OTHER_TAG, message[5]) for message in self.milking(2, 30, tags=5)]
        self.play(*self.milking(1, 0, tags=5), *bolus, self.end(1, 0, 400), self.end(2, 30, 500))
        self.assert_doubtful(self.at(1) | self.at(2))

    def test_late_readings_do_not_make_one_of_two_at_once_hers_where_two_tags_of_hers_were_read(self):
        self.two_at_once_by_two_tags()
        self.say(1, 0, 130, 6.5, None)
        self.assert_doubtful(self.at(1) | self.at(2))

    def test_of_two_at_once_by_two_tags_one_is_hers_once_a_person_says_that_the_other_was_another_cow(self):
        self.two_at_once_by_two_tags()
        self.at(2).animal_id = self.env["farm.animal"].create({"name": "18", "farm_id": self.farm.id})
        self.assert_hers(self.at(1))

    def test_once_a_person_says_that_one_of_two_at_once_was_another_cow_the_other_one_is_hers(self):
        self.two_at_once()
        self.at(2).animal_id = self.env["farm.animal"].create({"name": "18", "farm_id": self.farm.id})
        self.assertRecordValues(self.at(1), [{"identification": "tag", "animal_id": self.cow.id}])
        self.assert_hers(self.at(1))

    def test_once_one_of_two_at_once_is_void_the_other_one_is_hers(self):
        self.two_at_once()
        self.at(2).action_cancel()
        self.assert_hers(self.at(1))

    def test_once_one_of_two_at_once_is_deleted_the_other_one_is_hers(self):
        self.two_at_once()
        self.at(2).unlink()
        self.assert_hers(self.at(1))

    def test_what_a_former_version_found_doubtful_is_hers_as_well_once_the_other_one_is_void(self):
        self.two_at_once()
        self.env.flush_all()
        self.env.cr.execute("UPDATE milk_session SET doubted_by_id = NULL")
        migrate(self.env, "1.3.0", "post-doubted-by")
        self.at(2).action_cancel()
        self.assert_hers(self.at(1))

    def test_of_three_at_once_two_stay_doubtful_when_one_is_void(self):
        self.play(
            *[message for channel in (1, 2, 3) for message in self.milking(channel, 10 * channel, tags=5)],
            *[self.end(channel, 10 * channel, 400 + channel) for channel in (1, 2, 3)],
        )
        self.assert_doubtful(self.sessions())
        self.at(3).action_cancel()
        self.assert_doubtful(self.at(1) | self.at(2))

    def test_once_a_person_says_that_the_earlier_one_was_another_cow_the_later_one_is_hers(self):
        self.play(
            *self.milking(1, 0, tags=5), self.end(1, 0, 110), *self.milking(2, 300, tags=5), self.end(2, 300, 700)
        )
        self.assert_doubtful(self.at(2))
        self.at(1).animal_id = self.env["farm.animal"].create({"name": "18", "farm_id": self.farm.id})
        self.assert_hers(self.at(2))

    def test_a_milking_that_is_doubtful_by_itself_stays_so_whatever_is_said_of_another(self):
        """The tag is of 17, and the meter names 18: whose tag was read elsewhere tells nothing of that."""
        self.env["farm.animal"].create([{"name": name, "farm_id": self.farm.id} for name in ("18", "20")])
        contradictory = self.numbered(self.make_meter("MM-6"), 0, "18", tag=TAG)
        self.assert_doubtful(contradictory)
        other = self.numbered(self.make_meter("MM-7"), 30, None, tag=TAG)
        other.animal_id = self.env["farm.animal"].search([("name", "=", "20"), ("farm_id", "=", self.farm.id)])
        self.assert_doubtful(contradictory)

    # ------------------------------------------------------------------ what is alike and not of one cow

    def numbered(self, meter, began, number, tag="NOREAD"):
        """A milking of five minutes of which the meter says the cow's number, and its reader nothing but `tag`."""
        before = self.sessions(meter)
        for share in (0.1, 0.5, 1.0):
            into = round(300 * share)
            self.message(
                began + into,
                10.0 * share,
                meter,
                session_id=f"n{began}",
                duration_seconds=into,
                rfid_tag=tag,
                animal_id=number,
                milking=share < 1,
            )
        self.process()
        return self.sessions(meter) - before

    def test_readers_that_say_that_they_read_nothing_do_not_speak_of_one_cow(self):
        """Number 17 was entered twice, which is doubtful; the cows beside are not."""
        names = ("18", "19")
        cows = self.env["farm.animal"].create([{"name": name, "farm_id": self.farm.id} for name in names])
        meters = [self.make_meter(f"MM-{number}") for number in (6, 7, 8, 9)]
        self.numbered(meters[0], 0, "17")
        self.assert_doubtful(self.numbered(meters[1], 330, "17"))
        for meter, began, cow in zip(meters[2:], (400, 500), cows, strict=True):
            session = self.numbered(meter, began, cow.name)
            self.assertRecordValues(session, [{"identification": "number", "animal_id": cow.id}])

    def test_a_doubtful_milking_elsewhere_takes_no_cow_off_the_milkings_of_a_farm(self):
        farm = self.env["farm.location"].create(
            {
                "name": "Other",
                "code": "other-test",
                "tz": "UTC",
                "company_id": self.env["res.company"].create({"name": "Other"}).id,
            }
        )
        meter = self.make_meter("MM-6", farm_id=farm.id)
        doubtful = self.numbered(meter, 0, None, tag=TAG)
        doubtful.with_context(from_meter=True).sudo().write({"identification": "doubtful"})
        self.assertEqual(doubtful.rfid_tag, TAG)
        self.play(*self.milking(1, 0, tags=5), self.end(1, 0, 400))
        self.assert_hers(self.at(1))

    def test_what_a_reader_read_is_typed_by_nobody(self):
        manager = new_test_user(self.env, "reader", "smart_dairy_farm.group_farm_manager")
        self.farm.user_ids = manager
        self.play(*self.milking(1, 0, tags=5), self.end(1, 0, 400))
        with self.assertRaises(AccessError):
            self.at(1).with_user(manager).rfid_tag = OTHER_TAG
        by_hand = self.env["milk.session"].with_user(manager).create({"meter_id": self.meter.id, "rfid_tag": TAG})
        by_hand.rfid_tag = OTHER_TAG
        self.assertEqual(by_hand.rfid_tag, OTHER_TAG)

    # ------------------------------------------------------------------ what people say

    def test_what_a_person_says_of_one_of_two_at_once_stands(self):
        self.two_at_once()
        self.at(1).animal_id = self.cow
        self.say(1, 0, 130, 6.5, None)
        self.assertRecordValues(self.at(1), [{"identification": "person", "animal_id": self.cow.id}])
        self.assert_doubtful(self.at(2))

    def test_of_two_at_once_the_one_that_a_person_named_is_hers_and_the_other_one_alone_is_doubtful(self):
        self.play(*self.milking(1, 0, tags=5), self.end(1, 0, 400))
        self.at(1).animal_id = self.cow
        self.play(*self.milking(2, 30, tags=5), self.end(2, 30, 500))
        self.assertRecordValues(self.at(1), [{"identification": "person", "animal_id": self.cow.id}])
        self.assert_doubtful(self.at(2))

    def test_a_misread_milking_that_goes_on_hides_no_earlier_one_that_is_hers(self):
        self.play(*self.milking(3, 0, tags=5), self.end(3, 0, 110))
        self.play(*self.milking(1, 120, tags=1), *self.milking(2, 130, tags=5), self.end(2, 130, 400))
        self.assert_hers(self.at(3))
        self.assert_doubtful(self.at(2))
        self.play(self.end(1, 120, 500))
        self.assert_hers(self.at(3))
        self.assert_doubtful(self.at(1) | self.at(2))
