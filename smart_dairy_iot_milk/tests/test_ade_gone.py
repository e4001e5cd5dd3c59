"""Whoever keeps up with a farm's milkings has the same as who reads them all: also when some go."""

from datetime import datetime, timedelta

import jsonschema_rs

from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..controllers.api.ade_api import PREFIX
from ..exchange.ade import parse_moment
from ..exchange.ade_schema import VISIT
from .ade_common import HILL, AdeCase

CHANGED = datetime(2024, 3, 2, 12)
#: By so much what was seen last is asked for again, as docs/ade.md says.
OVERLAP = timedelta(minutes=5)
VALLEY = HILL.replace("HILL", "VALLEY")


class Mirror:
    """Another system: what it has of a farm's milkings, which it asks for as documented."""

    def __init__(self, case, path=HILL):
        self.case, self.path = case, path
        self.visits, self.since = {}, None

    def update(self):
        """Take over what has changed; returns the visits that came."""
        since = self.since and f"&modified-from={(self.since - OVERLAP).isoformat()}Z"
        query, came = f"?limit=2{since or ''}", []
        while query:
            page = self.case.page(query, self.path, "admin")
            came += page["member"]
            query = page["view"].get("next", "").removeprefix(f"{self.case.base_url()}{PREFIX}{self.path}")
        for visit in came:
            jsonschema_rs.validate(VISIT, visit, validate_formats=True)
            self._take(visit)
        return came

    def _take(self, visit):
        meta = visit["meta"]
        key = meta["source"], meta["sourceId"]
        self.since = max(filter(None, (self.since, parse_moment(meta["modified"]))))
        if meta["isDeleted"]:
            self.visits.pop(key, None)
        else:
            self.visits[key] = (visit["animal"]["id"], visit["milkingStartingDateTime"])


@tagged("post_install", "-at_install")
class TestAdeGone(AdeCase):
    def setUp(self):
        super().setUp()
        self.mirror = Mirror(self)
        self.made = [self.make_session(number, CHANGED + timedelta(hours=number)) for number in range(5)]
        self.other = self.env["farm.animal"].create({"name": "18", "farm_id": self.hill.id})
        self.mirror.update()
        self.assertEqual(len(self.mirror.visits), 5)

    def assertKeptUp(self, count):
        """The system that keeps up has what one has that reads all anew: so many milkings."""
        self.mirror.update()
        anew = Mirror(self)
        anew.update()
        self.assertEqual(self.mirror.visits, anew.visits)
        self.assertEqual(len(anew.visits), count)

    def test_who_keeps_up_has_what_who_reads_all_anew_has_after_milkings_lost_swapped_or_got_back_their_cow(self):
        taken, swapped, deleted, back, _stays = self.made
        taken.animal_id = False
        swapped.animal_id = self.other
        deleted.with_user(self.admin).unlink()
        back.animal_id = False
        self.assertKeptUp(2)
        self.assertIn("HILL/18", {animal for animal, _start in self.mirror.visits.values()})
        back.animal_id = self.other
        self.assertKeptUp(3)
        back.animal_id = False
        self.assertKeptUp(2)

    def test_a_milking_that_lost_its_cow_comes_deleted_as_it_was_with_the_time_of_the_loss(self):
        lost = self.made[0]
        before = lost._ade_resource()
        lost.animal_id = False
        (visit,) = [visit for visit in self.mirror.update() if visit["meta"]["sourceId"] == lost._ade_id()]
        self.assertEqual(visit["animal"], {"id": "HILL/17", "scheme": "smart-dairy.animal"})
        self.assertIs(visit["meta"]["isDeleted"], True)
        self.assertGreater(parse_moment(visit["meta"]["modified"]), CHANGED + timedelta(days=1))
        same = ("isDeleted", "modified")
        self.assertEqual(
            {**visit, "meta": {name: value for name, value in visit["meta"].items() if name not in same}},
            {**before, "meta": {name: value for name, value in before["meta"].items() if name not in same}},
        )

    def test_a_milking_that_goes_to_another_farm_is_deleted_on_the_first_and_there_on_the_second(self):
        meter = {"name": "Meter 2", "device_id": "MM-2", "farm_id": self.valley.id}
        meter |= {"manufacturer": "other", "communication_type": "api"}
        elsewhere = self.env["iot.milk_meter"].create(meter)
        self.made[0].meter_id = elsewhere
        self.assertKeptUp(4)
        there = Mirror(self, VALLEY)
        there.update()
        self.assertEqual(len(there.visits), 1)
        self.made[0].meter_id = self.meter
        self.assertKeptUp(5)
        there.update()
        self.assertEqual(there.visits, {})

    def test_the_milkings_of_a_cow_whose_record_is_deleted_are_deleted(self):
        # Without milk there is no production record, which would keep the animal.
        self.make_session(9, CHANGED, animal_id=self.other.id, total_yield=0, current_yield=0)
        self.mirror.since = None
        self.mirror.update()
        self.assertEqual(len(self.mirror.visits), 6)
        self.other.unlink()
        self.assertKeptUp(5)

    def test_what_was_never_told_leaves_nothing_behind(self):
        running = self.make_session(9, state="in_progress", end_time=False)
        running.animal_id = False
        unknown = self.make_session(10, animal_id=False)
        unknown.unlink()
        self.made[0].fat_percentage = 4.0
        self.made[0].animal_id = self.other
        self.assertFalse(self.env["milk.session.gone"].search([]))

    def test_a_page_counts_those_that_are_gone(self):
        self.made[0].animal_id = False
        view = self.page("?limit=2")["view"]
        self.assertEqual((view["totalItems"], view["totalPages"]), (5, 3))

    def test_what_is_gone_is_told_to_who_sees_the_farm_and_written_by_nobody(self):
        self.made[0].animal_id = False
        gone = self.env["milk.session.gone"].search([])
        for caller, count in ((self.user, 1), (self.manager, 1), (self.admin, 1)):
            self.assertEqual(len(gone.with_user(caller).search([])), count)
            with self.assertRaises(AccessError):
                gone.with_user(caller).unlink()
        self.hill.user_ids = self.admin
        self.env.invalidate_all()
        self.assertFalse(gone.with_user(self.manager).search([]))

    def test_many_milkings_go_with_as_many_queries_as_one(self):
        made = [self.make_session(number, CHANGED, total_yield=0, current_yield=0) for number in range(10, 31)]
        sessions = self.env["milk.session"].concat(*made)

        def queries(gone):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            visits = gone._ade_visits()
            self.assertEqual(len(visits), len(gone))
            self.env["milk.session"]._ade_forget({(-number, farm): visit for (number, farm), visit in visits.items()})
            self.env.flush_all()
            return self.env.cr.sql_log_count - before

        queries(sessions[0])  # Settings are read once.
        self.assertEqual(queries(sessions[2:]), queries(sessions[1]))

    def test_what_is_gone_for_more_than_two_years_is_told_no_more(self):
        for milking in self.made[:2]:
            milking.animal_id = False
        old, kept = self.env["milk.session.gone"].search([], order="id")
        for gone, days in ((old, 731), (kept, 729)):
            moment = datetime.now() - timedelta(days=days)
            self.env.cr.execute("UPDATE milk_session_gone SET write_date = %s WHERE id = %s", [moment, gone.id])
        self.env.invalidate_all()
        self.env["milk.session.gone"]._gc_gone()
        self.assertEqual(self.env["milk.session.gone"].search([]), kept)
        self.assertEqual(self.env["milk.session.gone"]._gc_gone.__func__._autovacuum, True)
