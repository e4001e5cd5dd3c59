"""Who has what, once a trial is over: the publisher, the broker, the bridge and the store, message by message."""

from dataclasses import dataclass, field
from itertools import pairwise

from psycopg2 import sql

from .traffic import TABLES


@dataclass
class Account:
    """Sets are of the messages' numbers.

    :param published: how many
    :param acknowledged: by the broker, to the publisher
    :param delivered: by the broker, to a bridge
    :param forgotten: of those, what the broker had forgotten by the time when the bridge was killed: nobody has it
    :param settled: acknowledged by a bridge, to the broker
    :param stored: as readings or, of statuses, in the inbox
    :param dead_letters: set aside
    :param redelivered: how many were delivered once more
    :param duplicate_rows: rows that another row says already
    :param wrong_rollups: readings that the hourly rollups have too many or too few
    :param disordered: readings of a device that were stored after a later one of the same device
    """

    published: int
    acknowledged: set[int]
    delivered: set[int]
    forgotten: set[int]
    settled: set[int]
    stored: set[int]
    dead_letters: set[int]
    redelivered: int
    duplicate_rows: int
    wrong_rollups: int
    disordered: int

    @property
    def kept(self) -> set[int]:
        return self.stored | self.dead_letters

    @property
    def lost_by_bridge(self) -> set[int]:
        """Delivered, and neither stored nor set aside."""
        return self.delivered - self.kept - self.forgotten

    @property
    def lost_by_broker(self) -> set[int]:
        """Acknowledged to the publisher, and delivered to nobody, or to one who was killed with it, and forgotten."""
        return self.acknowledged - self.delivered | self.acknowledged & self.forgotten - self.kept

    def complaints(self, broker_may_lose: bool = False) -> list[str]:
        """What is wrong, in sentences; a broker that was killed may have lost what it had acknowledged."""
        wrong = [
            (self.lost_by_bridge, "delivered and neither stored nor a dead letter"),
            (self.settled - self.kept, "acknowledged by the bridge and neither stored nor a dead letter"),
            (self.kept - self.delivered, "kept though never delivered"),
            (self.stored & self.dead_letters, "stored and a dead letter as well"),
        ]
        if not broker_may_lose:
            wrong.append((self.lost_by_broker, "acknowledged by the broker and never delivered"))
        found = [f"{len(numbers)} {what}: {sorted(numbers)[:5]} ..." for numbers, what in wrong if numbers]
        found += [f"{self.duplicate_rows} duplicate rows"] if self.duplicate_rows else []
        found += [f"the rollups are off by {self.wrong_rollups}"] if self.wrong_rollups else []
        return found


@dataclass
class _Rows:
    """What the store has of one trial."""

    numbers: list[int] = field(default_factory=list)
    disordered: int = 0


def read_account(scene) -> Account:
    """Count what became of the scene's load, which is over."""
    traffic, published = scene.load.traffic, scene.load.published
    by_payload = {traffic.message(number)[1]: number for number in range(published)}
    deliveries = [
        (by_payload[delivery.payload], delivery)
        for bridge in scene.bridges
        for delivery in bridge.tap.deliveries()
        if delivery.payload in by_payload
    ]
    delivered = {number for number, _delivery in deliveries}
    rows = _read_rows(scene, traffic)
    return Account(
        published=published,
        acknowledged=scene.load.acknowledged(),
        delivered=delivered,
        forgotten=delivered - {number for number, delivery in deliveries if not delivery.forgotten},
        settled={number for number, delivery in deliveries if delivery.acknowledged},
        stored=set(rows.numbers),
        dead_letters=_read_dead_letters(scene, by_payload),
        redelivered=len(deliveries) - len(delivered),
        duplicate_rows=len(rows.numbers) - len(set(rows.numbers)),
        wrong_rollups=_wrong_rollups(scene),
        disordered=rows.disordered,
    )


def _read_rows(scene, traffic) -> _Rows:
    found = _Rows()
    for table in TABLES.values():
        statement = sql.SQL(
            "SELECT iot_device_id, timestamp FROM {} WHERE timestamp >= %s"
            " AND iot_device_id IN (SELECT id FROM iot_device WHERE device_id LIKE 'FT%%') ORDER BY iot_device_id, id"
        ).format(sql.Identifier(table))
        rows = scene.rows(statement, traffic.begin)
        found.numbers += [traffic.number_at(timestamp) for _device, timestamp in rows]
        found.disordered += sum(one[0] == other[0] and one[1] > other[1] for one, other in pairwise(rows))
    statuses = scene.rows(
        "SELECT timestamp FROM iot_inbox WHERE kind = 'device_status' AND timestamp >= %s"
        " AND iot_device_id IN (SELECT id FROM iot_device WHERE device_id LIKE 'FT%%')",
        traffic.begin,
    )
    found.numbers += [traffic.number_at(timestamp) for (timestamp,) in statuses]
    return found


def _read_dead_letters(scene, by_payload: dict[bytes, int]) -> set[int]:
    letters = (bytes(payload) for (payload,) in scene.rows("SELECT payload FROM iot_dead_letter"))
    return {by_payload[payload] for payload in letters if payload in by_payload}


def _wrong_rollups(scene) -> int:
    """By how much the hourly rollups of all trials differ from the rows."""
    wrong = 0
    for table in TABLES.values():
        statement = sql.SQL(
            "SELECT coalesce(sum(abs(coalesce(rows, 0) - coalesce(readings, 0))), 0)::integer FROM"
            " (SELECT iot_device_id, date_trunc('hour', timestamp) AS bucket, count(*) AS rows FROM {} GROUP BY 1, 2)"
            " AS raw FULL JOIN (SELECT iot_device_id, bucket, readings FROM {}) AS rollup USING (iot_device_id, bucket)"
            " WHERE iot_device_id IN (SELECT id FROM iot_device WHERE device_id LIKE 'FT%%')"
        ).format(sql.Identifier(table), sql.Identifier(f"{table}_hourly"))
        wrong += scene.rows(statement)[0][0]
    return wrong
