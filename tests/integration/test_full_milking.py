"""A herd of 500 is milked at 16 points, with misreads, a meter that dies in a milking, a bridge that is killed while
cows come and go, and a database that is away: every milking is there once, and no animal is the wrong one."""

import random
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from datetime import datetime, timezone

import psycopg2
import pytest

from bridge_command import BridgeCommand
from cable import Cable
from herd_at_points import COWS, LATECOMERS, MISREADS, PAUSE, POINTS, Parlour, herd, number_of, register
from simulation.points import PointBank
from support import Database, eventually, log_in

BRIDGE_AWAY_SECONDS, DATABASE_AWAY_SECONDS = 10, 15
#: A milking is read once a second: this may be missing at either end, and more while the machine is busy.
TOLERANCE_SECONDS = 4
DURATION = 1200

SESSIONS = """
    SELECT session.id, session.name, point.id AS point, session.animal_id, animal.name AS animal,
           session.identification, session.doubt_reason, session.state, session.total_yield::float, session.start_time,
           session.end_time, session.production_id
      FROM milk_session session
      JOIN iot_milk_meter point ON point.id = session.meter_id
 LEFT JOIN farm_animal animal ON animal.id = session.animal_id
     WHERE session.meter_id = ANY(%s) ORDER BY session.start_time, session.id
"""
READ = "SELECT count(*) FROM iot_milk_meter_state WHERE meter_id = ANY(%s) AND state IN ('polled', 'slow')"
POLLED_AT = "SELECT max(told_at) FROM iot_milk_meter_state WHERE meter_id = ANY(%s)"
IN_STATE = "SELECT count(*) FROM milk_session WHERE meter_id = ANY(%s) AND state = %s"
# Five minutes pass at once.
FIVE_MINUTES_OF_SILENCE = """
    UPDATE milk_session SET last_received_at = last_received_at - interval '301 seconds'
     WHERE meter_id = %s AND state = 'in_progress'
"""


class Unseen:
    """What nobody could see: from when to when the bridge was away, and at which points a cow came after another one.

    :ivar swapped: dict of a point's number -> seconds for which its cow had been milked when the bridge was killed
    """

    def __init__(self):
        self.killed = self.back = 0.0
        self.swapped = {}

    def least_litres(self, one):
        """What must have been read of a milking at least, in litres."""
        last_seen = one.cow.seconds
        if one.point in self.swapped and one.began < self.killed < one.ended:
            last_seen = self.swapped[one.point] - TOLERANCE_SECONDS
        elif one.is_cut_off:
            last_seen = one.ended - one.began - TOLERANCE_SECONDS
        return one.cow.litres_at(last_seen)

    def tolerance(self, moment):
        """Seconds by which a milking's beginning or end may be told otherwise."""
        was_away = self.killed <= moment <= self.back
        return TOLERANCE_SECONDS + (self.back - self.killed if was_away else 0)


@pytest.fixture
def stored(instance):
    return Database(instance.postgres.dsn(instance.database))


def test_every_milking_is_there_once_and_no_animal_is_the_wrong_one(instance, stored):
    rng = random.Random(500)
    cows = herd(rng)
    unseen = Unseen()
    with ExitStack() as stack:
        parlour = Parlour(stack)
        with instance:
            meters = register(log_in(instance), parlour)
        # The web server's own bridge would take over in place of a restart.
        cable = stack.enter_context(Cable(int(instance.postgres.port)))
        bridge = stack.enter_context(BridgeCommand(instance, f"--db_port={cable.port}"))
        eventually(lambda: stored.value(READ, meters) == POINTS, "all meters are read", 120)

        bank = PointBank(parlour.registers, cows[:-LATECOMERS], lambda: rng.uniform(*PAUSE))
        stop = threading.Event()
        stack.callback(stop.set)
        milking = threading.Thread(target=bank.run, args=(stop,), daemon=True)
        milking.start()

        wait_until_left(bank, COWS * 3 // 4)
        restart(bridge, bank, cows[-LATECOMERS:], unseen, lambda: stored.value(POLLED_AT, meters))
        wait_until_left(bank, COWS // 2)
        kill_a_meter_in_a_milking(parlour, bank)
        wait_until_left(bank, COWS // 4)
        cable.unplug()
        time.sleep(DATABASE_AWAY_SECONDS)
        cable.plug()
        milking.join(DURATION)
        assert not bank.left
        eventually(
            lambda: (
                stored.value(IN_STATE, meters, "completed") >= COWS - 1
                and stored.value(IN_STATE, meters, "in_progress") <= 1
            ),
            lambda: f"{len(stored.rows(SESSIONS, meters))} sessions, {bridge.log[-3000:]}",
            180,
        )
    with instance:
        odoo = log_in(instance)
        end_the_silent_one(odoo, instance, meters[0])
        sessions = stored.rows(SESSIONS, meters)
        matched = match(sessions, bank.milked, meters, unseen)
        check_animals(matched)
        check_production(stored, sessions)
        check_proposals(odoo, stored, matched)


def wait_until_left(bank, count):
    eventually(lambda: bank.left <= count, lambda: f"{bank.left} cows are left", DURATION)


def restart(bridge, bank, latecomers, unseen, polled_at):
    """Kill the bridge and start it again. At a third of the points a cow leaves meanwhile, at others one follows her,
    and the rest are milked all the time. Nobody both comes and leaves: milkings are long in a parlour, and what begins
    and ends while nobody looks is in no register any more.

    Here a milking may be shorter than the bridge is away, and a meter's clock does not tell two of them apart; their
    tags do.
    """
    bank.hold()
    # Those who have just come are read.
    time.sleep(TOLERANCE_SECONDS)
    before, standing = polled_at(), bank.standing
    told_apart = [number for number, (cow, _seconds) in standing.items() if not cow.misread]
    followed, left = told_apart[: len(latecomers)], told_apart[len(latecomers) :][: POINTS // 3]
    assert len(followed) == len(latecomers) and len(left) > 1
    bridge.kill()
    unseen.killed = time.time()
    unseen.swapped = {number: standing[number][1] for number in followed}
    for number in followed + left:
        bank.let_out(number)
    time.sleep(BRIDGE_AWAY_SECONDS)
    assert not set(followed + left) & bank.standing.keys(), "they have left"
    for number, cow in zip(followed, latecomers, strict=True):
        bank.let_in(number, cow)
    bridge.start()
    eventually(lambda: polled_at() > before, "the meters are read again", 120)
    time.sleep(TOLERANCE_SECONDS)
    unseen.back = time.time()
    bank.release()


def kill_a_meter_in_a_milking(parlour, bank):
    """The first point's meter loses its power while it milks a cow whom it knows."""

    def is_in_the_middle():
        cow, seconds = bank.standing.get(0, (None, 0))
        return cow and not cow.misread and 4 < seconds < 5

    eventually(is_in_the_middle, "a cow is milked at the first point", DURATION)
    parlour.kill(0)
    bank.die(0)


def end_the_silent_one(odoo, instance, meter):
    """The milking whose meter died ends when nothing was heard of it for five minutes."""
    with closing(psycopg2.connect(**instance.postgres.dsn(instance.database))) as connection, connection:
        with connection.cursor() as cursor:
            cursor.execute(FIVE_MINUTES_OF_SILENCE, [meter])
            assert cursor.rowcount == 1, "it is in progress until then"
    cron = odoo.call("ir.cron", "search", [("code", "=", "model._cron_supervise()")])
    odoo.call("ir.cron", "method_direct_trigger", cron)


def match(sessions, milked, meters, unseen):
    """Pairs of session and milking: each milking has one, and none is left over."""
    pairs, unmatched, missing = [], list(sessions), []
    for one in sorted(milked, key=lambda one: one.ended):
        found = [session for session in unmatched if is_of(session, one, meters, unseen)]
        if len(found) == 1:
            unmatched.remove(found[0])
            pairs.append((found[0], one))
        else:
            missing.append((one, found))
    assert not missing and not unmatched, f"{missing} have not one session each; sessions of no milking: {unmatched}"
    assert len(pairs) == len(sessions) == COWS
    return pairs


def is_of(session, one, meters, unseen):
    def is_about(told, moment):
        really = datetime.fromtimestamp(moment, timezone.utc).replace(tzinfo=None)
        return told and abs((told - really).total_seconds()) < unseen.tolerance(moment)

    return (
        session["point"] == meters[one.point]
        and is_about(session["start_time"], one.began)
        and is_about(session["end_time"], one.ended)
        and unseen.least_litres(one) - 0.01 <= session["total_yield"] <= one.litres + 0.01
    )


def check_animals(matched):
    """Whoever was read is known, or the reader saw her tag at another point as well; nobody is taken for another."""
    wrong = [(session, one) for session, one in matched if session["animal_id"] and not names(session, one.cow)]
    assert not wrong, wrong
    unknown = [(session, one) for session, one in matched if not session["animal_id"]]
    count = Counter(one.cow.misread for _session, one in unknown)
    assert count["never"] == MISREADS["never"] and count["neighbour"] == MISREADS["neighbour"], count
    # While a cow's tag is read at the point before hers, one may leave the next point and another one come.
    assert count[""] <= 2 * MISREADS["neighbour"], count
    assert count.keys() <= {"never", "neighbour", ""}, count
    for session, one in unknown:
        if one.cow.misread == "never":
            assert session["identification"] == "none", session
        elif session["identification"] == "doubtful":
            assert session["doubt_reason"], session


def names(session, cow):
    return session["animal"] == f"Cow {number_of(cow)}"


def check_production(stored, sessions):
    """Each milking with an animal is production once, and no litre is missing or counted twice."""
    known = [session for session in sessions if session["animal_id"]]
    records = [session["production_id"] for session in known]
    assert all(records) and len(set(records)) == len(records)
    assert not any(session["production_id"] for session in sessions if not session["animal_id"])
    rows = stored.rows("SELECT quantity::float FROM farm_milk_production WHERE id = ANY(%s)", records)
    by_sessions = sum(session["total_yield"] for session in known)
    assert sum(row["quantity"] for row in rows) == pytest.approx(by_sessions, abs=0.01 * len(rows))


def check_proposals(odoo, stored, matched):
    """Whoever has no animal is on the list to assign, and what is proposed as certain is right."""
    unknown = {session["id"]: one.cow for session, one in matched if not session["animal_id"]}
    odoo.call("milk.session", "action_propose", list(unknown))
    rows = stored.rows(
        """
        SELECT session.id, session.left_unknown, session.proposal_certainty, animal.name
          FROM milk_session session LEFT JOIN farm_animal animal ON animal.id = session.proposed_animal_id
         WHERE session.id = ANY(%s)
        """,
        list(unknown),
    )
    assert len(rows) == len(unknown)
    for row in rows:
        assert not row["left_unknown"], "it stays on the list"
        if row["name"] and row["proposal_certainty"] >= 0.9:
            assert row["name"] == f"Cow {number_of(unknown[row['id']])}"
