"""Milkings score the same in the platform and as rows of a file: windows, days, what is withheld and what lasts."""

import random
from dataclasses import replace
from datetime import timedelta

from odoo.tests.common import tagged

from ..mastitis.csv_rows import parse_row, verdicts
from .common import START
from .udder_common import HALF_DAY, UdderCase

_DAYS = 24


@tagged("post_install", "-at_install")
class TestScoresOfRows(UdderCase):
    def setUp(self):
        super().setUp()
        # What is usual of a herd is kept by the process, and other tests have had farms of the same numbers.
        self.registry.clear_cache()
        self.random = random.Random(7)
        numbers = ("18", "19", "20", "21")
        others = self.env["farm.animal"].create([{"name": name, "farm_id": self.farm.id} for name in numbers])
        self.cows = self.cow | others

    def measured(self, number, half_day):
        """What is measured of a cow: quarters of one, cells and lactose now and then, nothing at all at times."""
        rng = self.random
        is_ill = number == 1 and 30 <= half_day < 34
        conductivity = (5.2 + 0.1 * number) * rng.gauss(1, 0.025) * (1.3 if is_ill else 1)
        values = {"conductivity": conductivity, "liters": (11 + number) * rng.gauss(1, 0.06) * (0.8 if is_ill else 1)}
        if number == 2:
            quarters = {f"conductivity_{quarter}": 5.4 * rng.gauss(1, 0.02) for quarter in ("lf", "rf", "lr", "rr")}
            values |= {"conductivity": 0.0, **quarters}
            if half_day in (40, 41):
                values["conductivity_rr"] *= 1.4
        if number == 3 and half_day % 5 == 0:
            values |= {"lactose_percentage": rng.gauss(4.8, 0.05), "somatic_cell_count": rng.randint(40_000, 300_000)}
        if (number, half_day) == (3, 45):
            values["blood_detected"] = True
        if (number, half_day) in ((1, 34), (1, 36)):
            values |= {"conductivity": 0.0, "liters": 0.0}
        return values

    def is_milked(self, number, half_day):
        """One cow was elsewhere for four days."""
        return not (number == 4 and 20 <= half_day < 28)

    def milk_the_herd(self):
        """The milkings of a herd, completed one after the other; one cow's lie around midnight."""
        day = self.farm._local_date(START) - timedelta(days=12)
        treatment = {"event_type": "treatment", "date": day, "withdrawal_until": day + timedelta(days=4)}
        self.env["farm.health.event"].create({"animal_id": self.cows[0].id, **treatment})
        milkings = []
        for half_day in range(2 * _DAYS):
            for number in range(len(self.cows)):
                if self.is_milked(number, half_day):
                    minutes = 10 * number if number < 4 else 18 * 60 + 10 * (half_day % 7)
                    at = START - timedelta(days=_DAYS) + half_day * HALF_DAY + timedelta(minutes=minutes)
                    milkings.append((at, number, half_day))
        sessions = self.env["milk.session"]
        for at, number, half_day in sorted(milkings):
            sessions |= self.milking(at, cow=self.cows[number], **self.measured(number, half_day))
        return sessions

    def as_row(self, session):
        """A milking as a file has it, in the farm's time; that it was withheld no column says."""
        moment = self.farm._local_datetime(session.start_time)
        row = {
            "cow": session.animal_id.name,
            "datetime": f"{moment:%Y-%m-%d %H:%M:%S}",
            "yield_kg": str(session.total_yield),
            "conductivity": str(session.conductivity),
            "lactose": str(session.lactose_percentage),
            "scc": str(session.somatic_cell_count),
            "blood": str(int(session.blood_detected)),
            **{f"conductivity_{q}": str(session[f"conductivity_{q}"]) for q in ("lf", "rf", "lr", "rr")},
        }
        parsed = parse_row(row, 1, None, self.fail)
        return replace(parsed, milking=replace(parsed.milking, withheld=session.under_withdrawal))

    def assert_scored_alike(self, sessions):
        for session, verdict in zip(sessions, verdicts([self.as_row(each) for each in sessions]), strict=True):
            with self.subTest(cow=session.animal_id.name, at=session.start_time):
                self.assertEqual(session.mastitis_level or None, verdict.level)
                # Stored with three digits, by which the next milking's is carried over.
                self.assertAlmostEqual(session.mastitis_score, verdict.score if verdict.level else 0.0, delta=0.005)
                self.assertEqual(session.mastitis_quarter or None, verdict.quarter)
                reasons = "\n".join(verdict.reasons) if verdict.level else False
                self.assertEqual(session.mastitis_reasons, reasons)

    def test_a_herd_s_sessions_are_scored_as_the_rows_of_a_file_are(self):
        sessions = self.milk_the_herd()
        self.assert_scored_alike(sessions)
        # What it was about has happened.
        self.assertTrue(sessions.filtered("under_withdrawal"))
        self.assertLessEqual({False, "normal", "watch", "critical"}, set(sessions.mapped("mastitis_level")))
        self.assertIn("rr", sessions.mapped("mastitis_quarter"))
        reasons = "\n".join(reasons for reasons in sessions.mapped("mastitis_reasons") if reasons)
        for text in ("Conspicuous already at the milking before", "Blood in the milk", "Yield", "Somatic cells"):
            self.assertIn(text, reasons)

    def test_milkings_that_are_withheld_are_no_measure_in_either(self):
        sessions = self.milk_the_herd()
        rows = [self.as_row(session) for session in sessions]
        counted = [replace(row, milking=replace(row.milking, withheld=False)) for row in rows]
        self.assertNotEqual(verdicts(rows), verdicts(counted))
