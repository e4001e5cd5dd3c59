"""Milkings that are not what they seem: ones whose end nobody saw, and the rest of another."""

from datetime import timedelta

from odoo import api, models

from ..reactors.milkings import START_TOLERANCE

#: No cow is milked for longer: further back than this and the farm's own minutes no beginning matters.
LONGEST_MILKING = timedelta(hours=2)


class MilkSession(models.Model):
    _inherit = "milk.session"

    @api.model
    def _complete_superseded(self, meters):
        """Complete the milkings at whose point another has begun since: there is one milking at a time at a point.

        :param meters: `iot.milk_meter` whose points are looked at
        """
        if not meters:
            return self.browse()
        self.flush_model(["meter_id", "channel", "session_key", "state", "start_time", "last_message_at"])
        self.env.cr.execute(
            """
            SELECT running.id FROM milk_session running
             WHERE running.state = 'in_progress' AND running.session_key IS NOT NULL AND running.meter_id = ANY(%s)
               AND EXISTS (
                   SELECT FROM milk_session next
                    WHERE next.meter_id = running.meter_id AND next.channel = running.channel
                      AND next.session_key IS NOT NULL AND next.start_time > running.start_time
                      AND next.start_time >= running.last_message_at - %s
               )
             ORDER BY running.id
            """,
            [meters.ids, START_TOLERANCE],
        )
        superseded = self.browse([row[0] for row in self.env.cr.fetchall()])
        if superseded:
            superseded._complete(superseded[0].last_message_at)
        return superseded

    def _settle_parts(self):
        """Find out which of these and their neighbours are the rest of another milking, and which are doubtful.

        :return: the sessions whose production may be another than before, these included
        """
        if not self:
            return self
        before = self | self.continues_id | self.continues_id.continued_by_ids | self.continued_by_ids
        sessions = (before | self._milkings_near()).sorted(lambda session: (session.start_time, session.id))
        affected = before
        for milkings in sessions.grouped("animal_id").values():
            affected |= milkings._link_rests(self)
            affected |= milkings._doubt_repeated(self)
        return affected

    def _milkings_near(self):
        """The measured milkings of the same animals that these may be the rest of, or make doubtful."""
        if not self.animal_id:
            return self.browse()
        minutes = [max(farm.milking_restart_minutes, farm.milking_twice_minutes) for farm in self.farm_id]
        reach = LONGEST_MILKING + timedelta(minutes=max(minutes))
        return self.search(
            [
                ("animal_id", "in", self.animal_id.ids),
                ("session_key", "!=", False),
                ("state", "!=", "cancelled"),
                ("start_time", ">=", min(self.mapped("start_time")) - reach),
                ("start_time", "<=", max(session._last_moment() for session in self) + reach),
            ]
        )

    def _link_rests(self, changed):
        """Link each milking that goes on what its meter began anew to the first of them.

        :param self: milkings of one animal (or of none known) in the order of their beginning
        :param changed: those of them of which something has changed
        :return: the sessions that were linked or no longer are, and what they were linked to
        """
        affected, latest = self.browse(), {}
        for session in self:
            first = self.browse()
            if session._is_measured():
                previous = latest.get(session._point(), first)
                if previous and previous._goes_on_in(session):
                    first = previous.continues_id or previous
                latest[session._point()] = session
            # Of one at the edge of what was looked up, nothing was seen of what came before.
            is_known = first or session in changed or session.continues_id in changed
            if is_known and session.continues_id != first:
                affected |= session | session.continues_id | first
                session.with_context(from_meter=True).continues_id = first
        return affected

    def _goes_on_in(self, session):
        """Whether a later milking of the same animal at the same point is the rest of this one."""
        pause = session.start_time - self._last_moment()
        restart = self.farm_id._milking_restart()
        return bool(restart) and -START_TOLERANCE <= pause <= restart and not self._others_until(session)

    def _others_until(self, session):
        """Whether another animal was milked at the point between this milking and a later one."""
        return bool(
            self.search_count(
                [
                    ("meter_id", "=", self.meter_id.id),
                    ("channel", "=", self.channel),
                    ("session_key", "!=", False),
                    ("state", "!=", "cancelled"),
                    ("start_time", ">", self.start_time),
                    ("start_time", "<", session.start_time),
                    ("animal_id", "!=", self.animal_id.id),
                ],
                limit=1,
            )
        )

    def _is_measured(self):
        """Whether a meter has told of it, of an animal that is known, and nobody has declared it void."""
        return bool(self.session_key and self.animal_id) and self.state != "cancelled"

    def _point(self):
        return self.meter_id.id, self.channel

    def _last_moment(self):
        return self.end_time or self.last_message_at or self.start_time
