"""Milkings are judged by what is usual of their cow; a suspect udder is told of once, and again when it gets worse."""

from datetime import timedelta

from odoo import fields
from odoo.tests.common import tagged

from .common import START, TAG
from .udder_common import HALF_DAY, UdderCase


@tagged("post_install", "-at_install")
class TestScore(UdderCase):
    def test_a_healthy_milking_is_normal_and_says_so(self):
        last = self.healthy()[-1]
        self.assertEqual(last.mastitis_level, "normal")
        self.assertTrue(0 < last.mastitis_score < 50)
        self.assertFalse(last.mastitis_event_id)

    def test_the_first_milking_of_a_herd_cannot_be_judged_and_has_no_score(self):
        first = self.milking(START)
        self.assertFalse(first.mastitis_level)
        self.assertEqual(first.mastitis_score, 0)
        self.assertFalse(first.mastitis_reasons)

    def test_a_raised_conductivity_is_a_warning_with_its_reason(self):
        self.healthy()
        session = self.ill()
        self.assertIn(session.mastitis_level, ("warning", "critical"))
        self.assertRegex(session.mastitis_reasons, r"^Conductivity 3\d % above her usual")

    def test_a_message_of_a_meter_is_judged_in_the_same_reaction(self):
        self.healthy()
        session = self.milk(12.0, quality={"conductivity": 7.6})
        self.assertEqual(session.animal_id, self.cow)
        self.assertIn(session.mastitis_level, ("warning", "critical"))

    def test_a_running_milking_is_not_judged(self):
        self.healthy()
        self.message(10, 1.0, rfid_tag=TAG, quality={"conductivity": 9.0})
        self.process()
        running = self.sessions().filtered(lambda session: session.state == "in_progress")
        self.assertFalse(running.mastitis_level)
        self.assertFalse(self.episodes())

    def test_a_milking_whose_cow_is_entered_later_is_judged_then(self):
        self.healthy()
        session = self.milking(START, 7.6)
        session.animal_id = False
        self.assertFalse(session.mastitis_level)
        session.animal_id = self.cow
        self.assertIn(session.mastitis_level, ("warning", "critical"))

    def test_a_corrected_conductivity_changes_the_score(self):
        self.healthy()
        session = self.milking(START, 5.5)
        before = session.mastitis_score
        session.conductivity = 7.6
        self.assertGreater(session.mastitis_score, before + 30)

    def test_the_quarter_is_named(self):
        quarters = {f"conductivity_{quarter}": 5.4 for quarter in ("lf", "rf", "lr", "rr")}
        self.healthy(**quarters)
        session = self.milking(START, 5.6, **{**quarters, "conductivity_rr": 7.4})
        self.assertEqual(session.mastitis_quarter, "rr")

    def test_one_farms_herd_is_no_measure_for_another(self):
        other = self.env["farm.location"].create({"name": "Other", "code": "other-udder", "tz": "Europe/Amsterdam"})
        self.healthy()
        self.assertTrue(self.farm._herd_norm(START).levels)
        self.assertFalse(other._herd_norm(START).levels)

    def test_the_norm_of_a_day_holds_nothing_of_that_day(self):
        self.healthy(4)
        before = self.farm._herd_norm(START)
        self.milking(START, 9.0)
        self.registry.clear_cache()
        self.assertEqual(self.farm._herd_norm(START), before)

    def test_the_levels_are_the_farms(self):
        self.healthy()
        self.farm.write({"mastitis_watch": 1, "mastitis_warning": 2, "mastitis_critical": 3})
        self.assertEqual(self.milking(START).mastitis_level, "critical")

    def test_conductivity_is_converted_to_25_degrees_once_and_only_of_meters_that_do_not(self):
        converted = self.milking(START, 6.5, milk_temperature=38.0)
        self.assertAlmostEqual(converted.conductivity_25, 6.5, 3)
        self.meter.conductivity_reported_at = "milk"
        raw = self.milking(START + HALF_DAY, 6.93, milk_temperature=38.0)
        self.assertAlmostEqual(raw.conductivity_25, 6.93 / (1 + 0.02 * 13), 3)
        raw._on_late_data()
        self.assertAlmostEqual(raw.conductivity_25, 6.93 / (1 + 0.02 * 13), 3)
        cold = self.milking(START + 2 * HALF_DAY, 5.5)
        self.assertAlmostEqual(cold.conductivity_25, 5.5, 3, "Without a temperature nothing is converted.")

    def test_what_is_usual_of_a_cow_is_refreshed_once_a_day(self):
        self.healthy()
        last = self.env["milk.session"].search([("animal_id", "=", self.cow.id)], limit=1).start_time
        self.cow._refresh_usual((last + timedelta(days=1)).date())
        # START may lie further back than the two weeks before now.
        values = self.cow._conductivities(START - timedelta(days=14))
        self.assertEqual(len(values[self.cow.id]), 20)
        others = self.env["farm.animal"].search([("id", "!=", self.cow.id)])
        others.usual_refreshed_on = fields.Date.context_today(self.cow)
        self.cow.usual_refreshed_on = False
        self.env["farm.animal"]._cron_refresh_usual()
        self.assertTrue(self.cow.usual_refreshed_on)

    def test_a_whole_milking_of_a_herd_costs_few_queries_per_cow(self):
        cows = self.env["farm.animal"].create([{"name": f"Q{n}", "farm_id": self.farm.id} for n in range(10)])
        for cow in cows:
            self.healthy(3, cow=cow)
        sessions = self.env["milk.session"].create(
            [{"meter_id": self.meter.id, "animal_id": cow.id, "start_time": START, "conductivity": 5.5} for cow in cows]
        )
        sessions.with_context(from_meter=True).write(
            {"state": "completed", "total_yield": 12.0, "end_time": START + timedelta(minutes=5)}
        )
        self.env.flush_all()
        before = self.env.cr.sql_log_count
        sessions._judge_udder()
        self.env.flush_all()
        self.assertLess(self.env.cr.sql_log_count - before, 20 + 8 * len(cows))


@tagged("post_install", "-at_install")
class TestEpisode(UdderCase):
    def test_a_warning_opens_one_episode_and_records_one_event(self):
        self.healthy()
        session = self.ill(factor=1.22)
        episode = self.episodes()
        self.assertEqual(len(episode), 1)
        self.assertEqual((episode.state, episode.source), ("open", "iot_milk_meter"))
        self.assertEqual(episode.source_reference, self.meter.device_id)
        self.assertEqual(session.mastitis_event_id, episode)
        event = self.suspected()
        self.assertEqual(len(event), 1)
        self.assertEqual(event.data["session"], session.name)
        self.assertEqual(event.timestamp, session.end_time)
        self.assertIn("Conductivity", event.message)

    def test_a_second_milking_at_the_same_level_tells_nobody_again(self):
        self.healthy()
        sessions = self.ill(0, 1.22) | self.ill(1, 1.22) | self.ill(2, 1.20)
        self.assertEqual(len(self.episodes()), 1)
        levels = {level for level in sessions.mapped("mastitis_level") if level in ("warning", "critical")}
        self.assertEqual(len(self.suspected()), len(levels))

    def test_a_worse_level_is_told_once_more_as_critical(self):
        self.healthy()
        self.farm.mastitis_critical = 95.0
        self.ill(0, 1.25)
        self.assertEqual(self.episodes().udder_level, "warning")
        self.farm.mastitis_critical = 70.0
        self.ill(1, 1.5)
        self.assertEqual(self.episodes().udder_level, "critical")
        self.assertEqual(sorted(self.suspected().mapped("severity")), ["critical", "high"])

    def test_late_data_of_the_same_milking_tell_nothing_again(self):
        self.healthy()
        session = self.ill()
        session._on_late_data()
        session._on_completed()
        self.assertEqual((len(self.episodes()), len(self.suspected())), (1, 1))

    def test_six_calm_milkings_end_the_episode_and_the_next_is_another(self):
        self.healthy()
        self.ill(0)
        number = 1
        calm = 0
        while calm < 6 and number < 20:
            self.assertFalse(self.episodes().udder_over)
            session = self.ill(number, 1.0)
            calm = calm + 1 if session.mastitis_level == "normal" else 0
            number += 1
        self.assertTrue(self.episodes().udder_over)
        self.assertEqual(self.episodes().state, "done")
        self.ill(number)
        self.assertEqual(len(self.episodes()), 2)
        self.assertEqual(len(self.suspected()), 2)

    def test_an_episode_that_people_are_done_with_is_not_told_again(self):
        self.healthy()
        self.farm.mastitis_critical = 99.0
        self.ill(0)
        self.episodes().action_done()
        self.ill(1)
        self.assertEqual((len(self.episodes()), self.episodes().state), (1, "done"))
        self.assertEqual(len(self.suspected()), 1)

    def test_a_cow_under_treatment_raises_nothing(self):
        self.env["farm.health.event"].create(
            {"animal_id": self.cow.id, "event_type": "treatment", "date": (START - timedelta(days=2)).date()}
        )
        self.healthy()
        session = self.ill()
        self.assertIn(session.mastitis_level, ("warning", "critical"))
        self.assertFalse(self.episodes())
        self.assertFalse(self.suspected())

    def test_watch_is_on_the_worklist_and_alerts_nobody(self):
        self.healthy()
        self.farm.write({"mastitis_watch": 10, "mastitis_warning": 99, "mastitis_critical": 100})
        session = self.ill(factor=1.15)
        self.assertEqual(session.mastitis_level, "watch")
        self.assertFalse(self.episodes())
        self.assertFalse(self.suspected())

    def test_a_milking_that_others_have_followed_raises_nothing_any_more(self):
        self.healthy()
        session = self.milking(START, 5.5)
        self.milking(START + HALF_DAY, 5.5)
        session.conductivity = 8.0
        self.assertIn(session.mastitis_level, ("warning", "critical"))
        self.assertFalse(self.episodes())

    def test_a_meter_in_maintenance_raises_nothing(self):
        self.healthy()
        self.meter.state = "maintenance"
        self.ill()
        self.assertFalse(self.episodes())


@tagged("post_install", "-at_install")
class TestWorklist(UdderCase):
    def listed(self):
        return self.env["milk.session"].search([("is_on_udder_worklist", "=", True)])

    def recent(self, session, hours):
        at = fields.Datetime.now() - timedelta(hours=hours)
        session.with_context(from_meter=True).write({"start_time": at, "end_time": at + timedelta(minutes=5)})

    def test_the_last_milking_of_24_hours_is_listed_where_it_was_suspect(self):
        self.healthy()
        session = self.ill()
        self.assertNotIn(session, self.listed(), "It is older than 24 hours.")
        self.recent(session, 2)
        self.assertIn(session, self.listed())
        self.assertTrue(session.is_on_udder_worklist)
        self.assertNotIn(
            session, self.env["milk.session"].search([("is_on_udder_worklist", "!=", True)]), "Searched the other way."
        )

    def test_a_cow_is_listed_once_and_no_more_when_her_last_milking_was_normal(self):
        self.healthy()
        session = self.ill()
        self.recent(session, 14)
        calm = self.milking(START + 2 * HALF_DAY, 5.5)
        calm.with_context(from_meter=True).mastitis_level = "normal"
        self.recent(calm, 2)
        self.assertFalse(self.listed() & (session | calm))

    def test_the_trend_shows_five_scores_and_new_is_new(self):
        self.healthy()
        session = self.ill()
        self.assertEqual(len(session.udder_trend.split(" → ")), 5)
        self.assertTrue(session.is_udder_new)
        session.action_udder_looked_at()
        self.assertFalse(session.is_udder_new)
        self.assertFalse(self.ill(1).is_udder_new)

    def test_looked_at_ends_the_episode_for_people_and_treat_opens_a_treatment(self):
        self.healthy()
        session = self.ill()
        action = session.action_udder_treat()
        self.assertEqual(action["context"]["default_animal_id"], self.cow.id)
        self.assertEqual(action["context"]["default_event_type"], "mastitis")
        self.assertEqual(self.episodes().state, "done")
        self.episodes().action_reopen()
        self.assertEqual(session.udder_episode_state, "open")
        session.action_udder_looked_at()
        self.assertEqual(self.episodes().state, "done")
        self.assertEqual(session.udder_episode_state, "done", "The worklist shows what is done with.")
