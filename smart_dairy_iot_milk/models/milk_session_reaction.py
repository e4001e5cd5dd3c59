"""Sessions from what meters report, over MQTT and Modbus alike.

Handles messages in batches, at least once and in any order: for each message the milking that it belongs to is found
among those known at its point (`reactors/milkings.py`), its readings are folded together, and a session is written once
per batch.
"""

from collections import defaultdict, namedtuple

from odoo import api, fields, models

from odoo.addons.smart_dairy_iot.bridge.messages import HTTP, MQTT, OWN

from ..reactors.meter_data import FOLDED_FIELDS, VOLUME_FIELDS, MeterData, canonical, fold
from ..reactors.milkings import NAME_REUSED, Milking, assign, keys_for

_SOURCES = {MQTT: "mqtt", HTTP: "api", OWN: "modbus"}
# Where nobody knows how a message came in: as the meter is to be heard.
_SOURCES_BY_SETTING = {"modbus_rtu": "modbus", "modbus_tcp": "modbus", "mqtt": "mqtt", "api": "api"}

# Keys of milkings that no meter has named begin with as much of the device's id.
_DEVICE_ID_SHARE = 36

#: What a batch says of one milking: `session` is empty where it is new, `factor` that of its calibration, by which its
#: readings are corrected already.
Share = namedtuple("Share", "meter channel milking session factor readings")


class MilkSession(models.Model):
    _inherit = "milk.session"

    flow_calibration_factor = fields.Float(
        digits=(8, 5),
        readonly=True,
        copy=False,
        help="Yield and flow of this milking were multiplied with it: the meter's factor when the milking began, which "
        "is kept to its end, whatever is calibrated meanwhile.",
    )

    @api.model
    def _react_meter_data(self, messages):
        """Handler of the inbox for milk-meter data messages."""
        # A chatter entry for each state of each milking of each cow would tell nobody anything.
        model = self.with_context(tracking_disable=True, from_meter=True)
        readings = [MeterData.parse(message) for message in messages]
        meters = self.env["iot.milk_meter"]._of_devices([reading.iot_device_id for reading in readings])
        by_point = defaultdict(list)
        for reading in readings:
            if reading.iot_device_id in meters:
                by_point[meters[reading.iot_device_id], reading.channel].append(reading)
        model._fold_into_sessions(model._share_out(by_point))._tell_screens()

    @api.model
    def _share_out(self, by_point):
        """Find the milking of each message.

        :param by_point: dict (meter, channel) -> list of `MeterData`
        :return: list of `Share`
        """
        if not by_point:
            return []
        known = self._sessions_around(by_point)
        shares = []
        for (meter, channel), readings in by_point.items():
            sessions = {session._as_milking(): session for session in known[meter.id, channel]}
            for milking, of_milking in assign(readings, list(sessions)).items():
                session = sessions.get(milking, self.browse())
                factor = session._factor_from(meter, milking.first, of_milking)
                scale = _scale(session.source or _source(meter, of_milking[0]), factor)
                scaled = [reading.scaled(scale) for reading in of_milking]
                shares.append(Share(meter, channel, milking, session, factor, scaled))
        self._name_new([share for share in shares if not share.session])
        return shares

    @api.model
    def _sessions_around(self, by_point):
        """The sessions that readings may belong to, in one query.

        :param by_point: dict (meter, channel) -> list of `MeterData`
        :return: dict (id of the meter, channel) -> `milk.session`
        """
        self.flush_model(["meter_id", "channel", "session_key", "start_time", "last_message_at"])
        times = [[reading.timestamp for reading in readings] for readings in by_point.values()]
        self.env.cr.execute(
            """
            SELECT session.id FROM milk_session session
              JOIN unnest(%s::integer[], %s::integer[], %s::timestamp[], %s::timestamp[])
                AS point (meter_id, channel, since, until)
                ON session.meter_id = point.meter_id AND session.channel = point.channel
               AND session.start_time <= point.until AND session.last_message_at >= point.since
             WHERE session.session_key IS NOT NULL
             ORDER BY session.start_time, session.id
            """,
            [
                [meter.id for meter, _channel in by_point],
                [channel for _meter, channel in by_point],
                [min(each) - NAME_REUSED for each in times],
                [max(each) + NAME_REUSED for each in times],
            ],
        )
        sessions = self.browse([row[0] for row in self.env.cr.fetchall()])
        return defaultdict(self.browse, sessions.grouped(lambda session: (session.meter_id.id, session.channel)))

    def _as_milking(self):
        return Milking(
            self.session_key,
            self.wire_session_id or "",
            self.start_time,
            self.last_message_at,
            self.current_yield,
            canonical(self.rfid_tag),
            self.ended_by_meter,
            self._message_factor(),
        )

    def _message_factor(self):
        """What volumes of this milking's messages have to be multiplied with."""
        return _scale(self.source, self._own_factor())

    def _own_factor(self):
        """The calibration factor of this milking; of one from before it was kept, by its beginning."""
        return self.flow_calibration_factor or self.meter_id._factor_at(self.start_time)

    def _factor_from(self, meter, beginning, readings):
        """The calibration factor of this milking (none: of a new one), now that its beginning is known to be this.

        It is what the poller says. Otherwise it keeps the one it has, whatever was calibrated since, unless the
        beginning lies before a calibration after which it had seemed to lie.
        """
        told = next((reading.factor for reading in readings if reading.factor), None)
        if told:
            return told
        if self and beginning >= self.start_time:
            return self._own_factor()
        factor = meter._factor_at(beginning)
        return self._own_factor() if self and meter._factor_at(self.start_time) == factor else factor

    @api.model
    def _name_new(self, shares):
        """Give new milkings the first of their possible keys that no other of the meter has."""
        if not shares:
            return
        options = [
            keys_for(share.milking, f"{share.meter.device_id[:_DEVICE_ID_SHARE]}-{share.channel}", share.channel)
            for share in shares
        ]
        known = self.search(
            [
                ("meter_id", "in", [share.meter.id for share in shares]),
                ("session_key", "in", [key for keys in options for key in keys]),
            ]
        )
        taken = {(session.meter_id.id, session.session_key) for session in known}
        for share, keys in zip(shares, options, strict=True):
            share.milking.key = next((key for key in keys if (share.meter.id, key) not in taken), keys[-1])
            taken.add((share.meter.id, share.milking.key))

    @api.model
    def _fold_into_sessions(self, shares):
        """Write what the readings say into their sessions.

        :param shares: list of `Share`
        :return: the sessions that changed
        """
        changed, completed, identified, to_create = self.browse(), self.browse(), self.browse(), []
        for share in shares:
            session = share.session
            if session.state == "cancelled":
                session._follow_cancelled(share.readings)
                continue
            vals = session._folded_vals(share.meter, share.factor, share.readings)
            if not session:
                to_create.append(
                    {**vals, "session_key": share.milking.key, "wire_session_id": share.milking.wire_id or False}
                )
            elif vals:
                changed |= session
                completed |= session if vals.get("state") == "completed" else self.browse()
                identified |= session if "animal_id" in vals else self.browse()
                session.write(vals)
        created = self.create(to_create)
        completed |= created.filtered(lambda session: session.state == "completed")
        completed._on_completed()
        superseded = self._complete_superseded(created.meter_id)
        late = (changed | created) - completed - superseded
        late._on_late_data()
        (late & identified)._on_identified()
        return changed | created | superseded

    def _folded_vals(self, meter, factor, readings):
        """What a session (empty: a new one) becomes by some readings: vals of what changes.

        :param factor: its calibration factor, by which the readings are corrected
        """
        corrected = self._corrected_vals(factor) if self else {}
        before = {**{name: self[name] for name in FOLDED_FIELDS}, **corrected} if self else {}
        vals = {**corrected, **fold(before, readings, self.typed_values or ()), "flow_calibration_factor": factor}
        ended = vals.pop("ended", False)
        after = {**before, **vals}
        if ended:
            vals["ended_by_meter"] = True
        if ended or self.state == "completed":
            vals |= self._completion_vals(after)
            if corrected and "total_yield" in vals:
                vals["total_yield"] = after["current_yield"]
        if not self:
            vals |= self._new_session_vals(meter, readings)
        vals |= self._identification_vals(meter, readings, after["start_time"])
        return {name: value for name, value in vals.items() if not self or self._differs(name, value)}

    def _corrected_vals(self, factor):
        """The volumes of this session by another calibration factor than its own; nothing where it is the same."""
        scale = _scale(self.source, factor) / self._message_factor()
        if scale == 1:
            return {}
        return {name: self[name] * scale for name in VOLUME_FIELDS.difference(self.typed_values or ())}

    def _differs(self, name, value):
        return self._fields[name].convert_to_write(self[name], self) != value

    def _follow_cancelled(self, readings):
        """Note no more than how long the meter goes on, so that what it says then is known as the next milking's."""
        last = max(readings, key=lambda reading: reading.timestamp)
        if last.timestamp > self.last_message_at:
            self.write({"last_message_at": last.timestamp, "ended_by_meter": not last.milking})

    @api.model
    def _new_session_vals(self, meter, readings):
        channel = readings[0].channel
        point = meter.milking_point_ids.filtered(lambda point: point.point_number == channel)
        return {
            "meter_id": meter.id,
            "channel": channel,
            "milking_point": point.id,
            "source": _source(meter, readings[0]),
        }


def _source(meter, reading):
    """How a message came, as a session says it."""
    return _SOURCES.get(reading.transport) or _SOURCES_BY_SETTING[meter.communication_type]


def _scale(source, factor):
    """What volumes of messages have to be multiplied with: those read over Modbus were when they were read."""
    return 1.0 if source == "modbus" else factor
