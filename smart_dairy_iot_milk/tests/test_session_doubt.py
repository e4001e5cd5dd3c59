"""One cow told of at two points at once: the milking that is surer of her keeps her, whichever began or ended first."""

from itertools import product

from odoo import Command
from odoo.tests.common import tagged

from .common import OTHER_TAG, START, TAG, MilkCase


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

    def test_two_of_which_one_ended_in_the_second_in_which_the_other_began_are_at_once(self):
        self.play(
            *self.milking(1, 0, tags=5), self.end(1, 0, 110), *self.milking(2, 110, tags=5), self.end(2, 110, 400)
        )
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
