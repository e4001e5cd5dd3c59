"""Sessions from what meters report, over MQTT and Modbus alike.

Handles messages in batches, at least once and in any order: a session is found by the meter and its session id, its
readings are folded together, and it is written once per batch.
"""

from collections import defaultdict

from odoo import api, models

from ..reactors.meter_data import SILENCE, MeterData, Milking, canonical, fold, name_milkings

_FOLDED_FIELDS = (
    "start_time",
    "last_message_at",
    "last_received_at",
    "current_yield",
    "current_flow_rate",
    "peak_flow_rate",
    "milk_temperature",
    "conductivity",
    "fat_percentage",
    "protein_percentage",
    "lactose_percentage",
    "somatic_cell_count",
    "blood_detected",
    "vacuum_level",
    "pulsation_rate",
)
_SOURCES = {"modbus_rtu": "modbus", "modbus_tcp": "modbus", "mqtt": "mqtt", "api": "api"}


class MilkSession(models.Model):
    _inherit = "milk.session"

    @api.model
    def _react_meter_data(self, messages):
        """Handler of the inbox for milk-meter data messages."""
        # A chatter entry for each state of each milking of each cow would tell nobody anything.
        model = self.with_context(tracking_disable=True)
        readings = [MeterData.parse(message) for message in messages]
        meters = self.env["iot.milk_meter"]._of_devices([reading.iot_device_id for reading in readings])
        by_session = model._group_by_session(
            [reading for reading in readings if reading.iot_device_id in meters], meters
        )
        model._fold_into_sessions(by_session)._tell_screens()

    @api.model
    def _group_by_session(self, readings, meters):
        """:return: dict (meter, session id) -> list of `MeterData`"""
        groups, unnamed = defaultdict(list), defaultdict(list)
        for reading in readings:
            meter = meters[reading.iot_device_id]
            if reading.session_id:
                groups[meter, reading.session_id].append(reading)
            else:
                unnamed[meter, reading.channel].append(reading)
        for (meter, channel), of_point in unnamed.items():
            milkings = self._milkings_around(meter, channel, of_point)
            for session_id, reading in name_milkings(of_point, milkings, f"{meter.device_id[:36]}-{channel}"):
                groups[meter, session_id].append(reading)
        return groups

    @api.model
    def _milkings_around(self, meter, channel, readings):
        """The sessions at a milking point that readings without a session id may belong to."""
        times = [reading.timestamp for reading in readings]
        sessions = self.search(
            [
                ("meter_id", "=", meter.id),
                ("channel", "=", channel),
                ("session_key", "!=", False),
                ("start_time", "<=", max(times) + SILENCE),
                ("last_message_at", ">=", min(times) - SILENCE),
            ],
            order="start_time, id",
        )
        return [
            Milking(
                session.session_key,
                session.start_time,
                session.last_message_at,
                session.current_yield,
                canonical(session.rfid_tag),
                session.ended_by_meter,
            )
            for session in sessions
        ]

    @api.model
    def _fold_into_sessions(self, by_session):
        """Write what the readings say into their sessions.

        :param by_session: dict (meter, session id) -> list of `MeterData`
        :return: the sessions that changed
        """
        known = self._known_sessions(by_session)
        changed, completed, to_create = self.browse(), self.browse(), []
        for (meter, session_id), readings in by_session.items():
            session = known.get((meter.id, session_id), self.browse())
            if session.state == "cancelled":
                session._follow_cancelled(readings)
                continue
            vals = session._folded_vals(meter, readings)
            if session and vals:
                if vals.get("state") == "completed":
                    completed |= session
                session.write(vals)
                changed |= session
            elif vals:
                to_create.append({**vals, "session_key": session_id})
        created = self.create(to_create)
        completed |= created.filtered(lambda session: session.state == "completed")
        completed._on_completed()
        ((changed | created) - completed)._on_late_data()
        return changed | created

    @api.model
    def _known_sessions(self, by_session):
        sessions = self.search(
            [
                ("meter_id", "in", [meter.id for meter, _session_id in by_session]),
                ("session_key", "in", [session_id for _meter, session_id in by_session]),
            ]
        )
        return {(session.meter_id.id, session.session_key): session for session in sessions}

    def _folded_vals(self, meter, readings):
        """What a session (empty: a new one) becomes by some readings: vals of what changes."""
        before = {name: self[name] for name in _FOLDED_FIELDS} if self else {}
        vals = fold(before, readings)
        ended = vals.pop("ended", False)
        after = {**before, **vals}
        if ended:
            vals["ended_by_meter"] = True
        if ended or self.state == "completed":
            vals |= self._completion_vals(after)
        if self:
            vals = {name: value for name, value in vals.items() if self[name] != value}
        else:
            vals |= self._new_session_vals(meter, readings)
        if not self.animal_id:
            vals |= self._identification_vals(meter, readings, after["start_time"])
        return vals

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
            "source": _SOURCES[meter.communication_type],
        }
