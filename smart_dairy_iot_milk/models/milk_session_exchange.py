"""Milkings for other systems: as milking visits of ICAR's Animal Data Exchange, in the order in which they changed."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from odoo import api, fields, models
from odoo.tools import SQL

from ..exchange.ade import Visit, deleted_resource, visit_resource
from .milk_session_quarters import QUARTERS

_MEASURED = (
    "somatic_cell_count",
    "fat_percentage",
    "protein_percentage",
    "lactose_percentage",
    "blood_detected",
    "conductivity_25",
    "avg_flow_rate",
    "peak_flow_rate",
    "milk_temperature",
)


@dataclass(frozen=True)
class Changed:
    """A session and when it last changed, naive UTC to the microsecond: the key by which visits are ordered.

    `gone` is the visit as it was before, of a session that other systems are not told of any more.
    """

    moment: datetime
    session_id: int
    created: datetime
    gone: dict | None = None


class MilkSession(models.Model):
    _inherit = "milk.session"

    ade_source = fields.Char(string="Imported from", readonly=True, copy=False, help="The system that measured it.")
    ade_source_id = fields.Char(string="ID There", readonly=True, copy=False, index="btree_not_null")
    ade_modified = fields.Datetime(string="Changed There", readonly=True, copy=False)

    _sql_constraints = [
        (
            "ade_unique",
            "UNIQUE(farm_id, ade_source, ade_source_id)",
            "This milking has been imported already.",
        ),
    ]

    def init(self):
        result = super().init()
        # Whoever keeps up with the milkings of a farm asks for what changed since.
        self.env.cr.execute(
            "CREATE INDEX IF NOT EXISTS milk_session_farm_changed ON milk_session (farm_id, write_date, id)"
        )
        return result

    # ------------------------------------------------------------------ which

    @api.model
    def _ade_changed(self, farm, since=None, until=None, after=None, limit=None):
        """The farm's milkings that the user may see and that other systems get, in the order of their last change.

        Those are the completed and the cancelled ones of a known animal: ADE has no milking without one. And those that
        were so and are no more, which are deleted for whoever was told of them, see `milk.session.gone`.

        :param since: naive UTC; `until` is the first moment that is left out
        :param after: (moment, id) of the last one that is known
        :return: list of `Changed`
        """
        pages = []
        for query, key, gone in self._ade_queries(farm, since, until):
            if after:
                query.add_where(SQL("(%s, %s) > (%s, %s)", *key, *after))
            query.order = SQL("%s, %s", *key)
            query.limit = limit
            pages.append(query.select(*key, SQL.identifier(query.table, "create_date"), gone))
        self.env.cr.execute(SQL("(%s) UNION ALL (%s) ORDER BY 1, 2 LIMIT %s", *pages, limit))
        return [Changed(*row) for row in self.env.cr.fetchall()]

    @api.model
    def _ade_count(self, farm, since=None, until=None):
        """How many `_ade_changed` would find."""
        count = 0
        for query, _key, _gone in self._ade_queries(farm, since, until):
            self.env.cr.execute(query.select(SQL("count(*)")))
            count += self.env.cr.fetchone()[0]
        return count

    @api.model
    def _ade_queries(self, farm, since, until):
        """(query, the two columns of its key, the column with the visit) of what is told, and of what is gone.

        No session is in both: its id is a key of all.
        """
        gone = self.env["milk.session.gone"]
        self.flush_model()
        gone.flush_model()
        # Queries of the ORM's for their record rules; its fields would cut off the fractions of a second.
        told = self._search(
            [("farm_id", "=", farm.id), ("state", "in", ("completed", "cancelled")), ("animal_id", "!=", False)]
        )
        forgotten = gone._search([("farm_id", "=", farm.id)])
        found = [
            (told, [SQL.identifier(told.table, name) for name in ("write_date", "id")], SQL("NULL::jsonb")),
            (
                forgotten,
                [SQL.identifier(forgotten.table, name) for name in ("write_date", "session_number")],
                SQL.identifier(forgotten.table, "visit"),
            ),
        ]
        for query, key, _visit in found:
            if since:
                query.add_where(SQL("%s >= %s", key[0], since))
            if until:
                query.add_where(SQL("%s < %s", key[0], until))
        return found

    # ------------------------------------------------------------------ what

    @api.model
    def _ade_resources(self, changed):
        """Milking visits as ADE writes them.

        :param changed: list of `Changed`
        """
        settings = self.env["iot.settings"]
        density, source, database = settings._milk_density(), settings._ade_source(), settings._database_uuid()
        sessions = self.browse([each.session_id for each in changed if not each.gone])
        by_id = {session.id: session for session in sessions}
        return [
            deleted_resource(each.gone, each.moment)
            if each.gone
            else visit_resource(by_id[each.session_id]._ade_visit(each, source, database), density)
            for each in changed
        ]

    def _ade_resource(self):
        """This session as a milking visit."""
        self.ensure_one()
        return self._ade_resources_now()[self.id]

    def _ade_resources_now(self):
        """dict id -> this session as a milking visit."""
        self.flush_recordset()
        self.env.cr.execute("SELECT write_date, id, create_date FROM milk_session WHERE id = ANY(%s)", [self.ids])
        changed = [Changed(*row) for row in self.env.cr.fetchall()]
        return {each.session_id: visit for each, visit in zip(changed, self._ade_resources(changed), strict=True)}

    def _ade_visit(self, changed, source, database):
        """The `Visit` that this session is.

        :param source: what the platform calls itself; a milking from elsewhere keeps its own source
        :param database: UUID
        """
        # sudo: who was milked, and where, belongs to the milking, also where cow or meter are on a closed farm since.
        animal, meter, point = self.animal_id.sudo(), self.meter_id.sudo(), self.milking_point.sudo()
        is_robot = meter.meter_type == "robotic"
        number = point.point_number or self.channel
        place = str(number) if number else ""
        return Visit(
            source=self.ade_source or source,
            source_id=self._ade_id(database),
            modified=changed.moment,
            created=changed.created,
            is_deleted=self.state == "cancelled",
            animal=animal._ade_identifier(),
            location=self.farm_id._ade_identifier(),
            start=self.start_time,
            yield_liters=self.total_yield,
            duration_seconds=self.duration_seconds or None,
            is_automated=is_robot,
            # One that was ended by its time-out may have been complete as well: nobody knows.
            is_complete=self.ended_by_meter or None,
            parlour_unit="" if is_robot else place,
            box_number=place if is_robot else "",
            measure_device_id=meter.device_id or "",
            measured={name: self[name] for name in _MEASURED},
            quarters=self._ade_quarters(),
            remarks=("MilkedSeparately",) if self.under_withdrawal else (),
        )

    def _ade_id(self, database=None):
        """Under which a milking is known outside: the one of the system that it comes from, else its own for ever."""
        if self.ade_source_id:
            return self.ade_source_id
        return str(uuid.uuid5(database or self.env["iot.settings"]._database_uuid(), f"milk.session,{self.id}"))

    def _ade_quarters(self):
        """What was measured of the quarters; their conductivity at 25 °C, as that of all their milk together."""
        at_25 = self.conductivity_25 / self.conductivity if self.conductivity else 0.0
        quarters = {
            quarter.upper(): {
                "yield": self[f"yield_{quarter}"],
                "conductivity_25": round(self[f"conductivity_{quarter}"] * at_25, 3),
            }
            for quarter in QUARTERS
        }
        measured = {name: {key: value for key, value in values.items() if value} for name, values in quarters.items()}
        return {name: values for name, values in measured.items() if values}
