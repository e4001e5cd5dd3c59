"""Episodes: a suspect udder is told of once, and again when it gets worse; not with each milking."""

from datetime import timedelta

from odoo import _, models

_RANK = {False: 0, "normal": 0, "watch": 1, "warning": 2, "critical": 3}
_SEVERITY = {"warning": "high", "critical": "critical"}
_CALM_MILKINGS = 6
#: People who treat a cow know of her udder.
_KNOWN_FOR = timedelta(days=10)
#: A cow that was not milked for so long (dried off, sold) begins anew.
_LONGEST_PAUSE = timedelta(days=10)


class MilkSession(models.Model):
    _inherit = "milk.session"

    def _follow_episode(self):
        """Open, raise or end the episode of this milking's cow, as this milking says.

        Milk of a treated cow raises nothing, nor does that of a meter in maintenance, nor a milking that others have
        followed already: its time to be told of is over.
        """
        self.ensure_one()
        if self.mastitis_event_id.animal_id != self.animal_id:
            # Whoever corrected the animal did not move the other's episode.
            self._write_changed({"mastitis_event_id": False})
        if self.mastitis_event_id or not self.mastitis_level:
            episode = self._episodes().browse(self.mastitis_event_id.id or ())
        else:
            episode = self._current_episode()
        rank = _RANK[self.mastitis_level]
        if not rank:
            self._write_changed({"mastitis_event_id": False})
            episode._end_if_calm(self)
            return
        if self._has_followers() or self.meter_id.state == "maintenance":
            return
        if rank >= _RANK["warning"]:
            if not episode and not self._is_known_to_people():
                episode = self._open_episode()
            elif episode and rank > _RANK[episode.udder_level] and not self._is_known_to_people():
                episode._raise_to(self)
        if episode:
            self._write_changed({"mastitis_event_id": episode.id})
            episode._note_milking(self)

    def _current_episode(self):
        """The cow's episode that has not ended; one that people are done with goes on until the udder is calm."""
        return self._episodes().search(
            [
                ("animal_id", "=", self.animal_id.id),
                ("event_type", "=", "mastitis_indicator"),
                ("source", "=", "iot_milk_meter"),
                ("udder_over", "=", False),
                ("last_session_id.start_time", ">=", self.start_time - _LONGEST_PAUSE),
            ],
            order="id desc",
            limit=1,
        )

    def _episodes(self):
        """The model of episodes. Sessions are not tracked while messages come in; what they lead to is."""
        # sudo: episodes are the meters' word, whoever's correction of a milking leads to them.
        return self.env["farm.health.event"].sudo().with_context(tracking_disable=False)

    def _has_followers(self):
        """Whether the cow was milked and judged after this milking."""
        return bool(
            self.search_count(
                [
                    ("animal_id", "=", self.animal_id.id),
                    ("start_time", ">", self.start_time),
                    ("mastitis_level", "!=", False),
                ],
                limit=1,
            )
        )

    def _is_known_to_people(self):
        """Whether the cow is under treatment, or people have entered mastitis or a treatment of late."""
        if self.under_withdrawal:
            return True
        day = self.farm_id._local_date(self.start_time)
        return bool(
            self._episodes().search_count(
                [
                    ("animal_id", "=", self.animal_id.id),
                    ("event_type", "in", ("mastitis", "treatment")),
                    ("date", "<=", day),
                    ("date", ">=", day - _KNOWN_FOR),
                ],
                limit=1,
            )
        )

    def _open_episode(self):
        episode = self._episodes().create(
            {
                "animal_id": self.animal_id.id,
                "farm_id": self.farm_id.id,
                "event_type": "mastitis_indicator",
                "date": self.farm_id._local_date(self.start_time),
                "description": self.mastitis_reasons,
                "source": "iot_milk_meter",
                "source_reference": self.meter_id.device_id,
                "udder_level": self.mastitis_level,
                "udder_score": self.mastitis_score,
                "udder_quarter": self.mastitis_quarter,
                "last_session_id": self.id,
            }
        )
        self._record_suspected(episode)
        return episode

    def _record_suspected(self, episode):
        """Record the event of this level of the episode, once."""
        levels = dict(self._fields["mastitis_level"]._description_selection(self.env))
        # As with episodes: what others make of the event is tracked.
        self.env["iot.event"].with_context(tracking_disable=False).record(
            "mastitis_suspected",
            timestamp=self.end_time,
            device=self.meter_id.iot_device_id,
            animal=self.animal_id,
            farm=self.farm_id,
            severity=_SEVERITY[self.mastitis_level],
            message=_(
                "Mastitis suspected (%(level)s): %(reasons)s",
                level=levels[self.mastitis_level],
                reasons="; ".join((self.mastitis_reasons or "").splitlines()),
            ),
            data={
                "session": self.name,
                "score": round(self.mastitis_score, 1),
                "level": self.mastitis_level,
                "quarter": self.mastitis_quarter or None,
                "conductivity_25": self.conductivity_25 or None,
                "expected_yield": self.expected_yield or None,
                "yield_liters": self.total_yield,
                "health_event": episode.id,
            },
            dedup_key=f"mastitis:{episode.id}:{self.mastitis_level}",
        )


class FarmHealthEvent(models.Model):
    _inherit = "farm.health.event"

    def _raise_to(self, session):
        """The udder is worse than at the milking before: people are told again, though they had done with it."""
        self.write({"state": "open", "udder_level": session.mastitis_level, "description": session.mastitis_reasons})
        session._record_suspected(self)

    def _note_milking(self, session):
        """Keep the last suspect milking and the highest score."""
        vals = {}
        if not self.last_session_id or self.last_session_id.start_time < session.start_time:
            vals["last_session_id"] = session.id
        if session.mastitis_score > self.udder_score:
            vals.update(udder_score=session.mastitis_score)
            if session.mastitis_quarter:
                vals.update(udder_quarter=session.mastitis_quarter)
        if vals:
            self.write(vals)

    def _end_if_calm(self, session):
        """End the episode when the last six milkings of the cow, all after its last suspect one, show nothing."""
        if not self:
            return
        levels = session.search(
            [
                ("animal_id", "=", session.animal_id.id),
                ("start_time", ">", self.last_session_id.start_time),
                ("mastitis_level", "!=", False),
                ("continues_id", "=", False),
            ],
            order="start_time desc",
            limit=_CALM_MILKINGS,
        ).mapped("mastitis_level")
        if len(levels) == _CALM_MILKINGS and not any(_RANK[level] for level in levels):
            self.write({"state": "done", "udder_over": True})
