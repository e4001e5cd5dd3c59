"""The fault runner's own bookkeeping: what it reads off the wire, and that it finds what is wrong."""

import contextlib
import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from faults.account import Account
from faults.clock import FakeClock
from faults.kinds import FAULTS, poison
from faults.packets import PUBACK, PUBLISH, PacketStream, packet_ids, publication
from faults.traffic import POISONS, Traffic, make_devices
from faults.trials import run_fault


def packet(head, body):
    length, encoded = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        encoded.append(digit | (0x80 if length else 0))
        if not length:
            return bytes([head]) + bytes(encoded) + body


@pytest.mark.parametrize("size", [1, 2, 7, 100_000])
def test_packets_are_found_in_whatever_pieces_they_come(size):
    payload = bytes(range(256)) * 10
    publish = b"\x00\x03a/b" + b"\x01\x02" + b"\x00" + payload
    wire = packet(PUBLISH | 0x02, publish) + packet(PUBACK, b"\x00\x07") + packet(PUBLISH, b"\x00\x01t\x00x")
    stream = PacketStream()
    found = [item for begin in range(0, len(wire), size) for item in stream.feed(wire[begin : begin + size])]
    assert [head for head, _body in found] == [PUBLISH | 0x02, PUBACK, PUBLISH]
    assert publication(*found[0]) == (0x0102, payload)
    assert packet_ids([found[1][1]]) == [7]
    assert publication(*found[2]) == (None, b"x")


def test_properties_of_a_publication_are_no_part_of_its_payload():
    assert publication(PUBLISH | 0x02, b"\x00\x01t\x00\x05\x02\x01\x00payload") == (5, b"payload")


def make_account(**changes):
    numbers = {0, 1, 2}
    whole = {
        "published": 3,
        "acknowledged": numbers,
        "delivered": numbers,
        "forgotten": set(),
        "settled": numbers,
        "stored": {0, 1},
        "dead_letters": {2},
        "redelivered": 0,
        "duplicate_rows": 0,
        "wrong_rollups": 0,
        "disordered": 0,
    }
    return Account(**whole | changes)


def test_where_everything_is_kept_once_there_is_nothing_to_complain_of():
    assert make_account().complaints() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"dead_letters": set()},
        {"stored": {0, 1, 2}},
        {"stored": {0, 1, 7}},
        {"delivered": {0, 1}, "dead_letters": set()},
        {"delivered": {0, 1}, "settled": {0, 1, 2}, "dead_letters": set(), "acknowledged": {0, 1}},
        {"duplicate_rows": 1},
        {"wrong_rollups": 1},
    ],
)
def test_what_is_lost_doubled_or_made_up_is_found(changes):
    assert make_account(**changes).complaints()


def test_a_killed_broker_may_lose_what_it_had_not_delivered_and_the_bridge_nothing_that_was():
    account = make_account(delivered={0, 1}, settled={0, 1}, stored={0, 1}, dead_letters=set())
    assert account.lost_by_broker == {2}
    assert account.complaints(broker_may_lose=True) == []
    assert make_account(stored={0}, dead_letters={2}).complaints(broker_may_lose=True)


def test_what_only_a_killed_bridge_had_is_the_brokers_loss_unless_it_was_acknowledged():
    account = make_account(forgotten={1, 2}, settled={0, 1}, stored={0, 1}, dead_letters=set())
    assert account.lost_by_broker == {2}
    assert account.complaints(broker_may_lose=True) == []
    assert account.complaints()
    assert make_account(forgotten={2}, dead_letters=set()).complaints(broker_may_lose=True)


def test_every_message_of_a_trial_is_known_by_its_payload_and_its_time():
    placed = poison(random.Random(1))
    traffic = Traffic(make_devices("F1"), datetime(2026, 1, 1), placed)
    messages = [traffic.message(number) for number in range(2000)]
    assert len({payload for _topic, payload in messages}) == len(messages)
    assert all(traffic.number_at(traffic.time_of(number)) == number for number in range(2000))
    assert set(placed.values()) == set(POISONS)


def test_the_seed_decides_where_the_poison_is():
    assert poison(random.Random("1/poison/0")) == poison(random.Random("1/poison/0"))
    assert poison(random.Random("1/poison/0")) != poison(random.Random("2/poison/0"))


def test_each_jump_of_the_clock_is_met_in_as_many_trials_as_there_are(monkeypatch, tmp_path):
    clock = FakeClock(tmp_path / "clock")
    jumps = []
    monkeypatch.setattr(clock, "jump", jumps.append)
    monkeypatch.setattr(FakeClock, "_clocks", {})
    scene = TrialScene()
    FakeClock._clocks[scene] = clock
    fault = replace(FAULTS["clock_jump"], around=None)
    monkeypatch.setitem(FAULTS, "clock_jump", fault)
    monkeypatch.setattr("faults.trials.time.sleep", lambda _seconds: None)
    outcomes = run_fault(scene, "clock_jump", len(FakeClock.JUMPS), seed=4711)
    assert not [outcome.wrong for outcome in outcomes if outcome.wrong]
    assert jumps[1::2] == [timedelta()] * len(FakeClock.JUMPS), "and back"
    nearest = [min(FakeClock.JUMPS, key=lambda kind: abs(jump / kind - 1)) for jump in jumps[::2]]
    assert sorted(nearest) == sorted(FakeClock.JUMPS)


class TrialScene:
    """A scene in which nothing runs and all is kept once."""

    def ensure_bridges(self, count): ...

    def loaded(self, poison):
        return contextlib.nullcontext()

    def pause(self, rng, least, most): ...

    def recovery(self):
        return 1.0

    def settle(self):
        return make_account()


def test_a_stand_by_has_ten_seconds():
    assert {fault.limit for fault in FAULTS.values() if fault.bridges == 2} == {10}
