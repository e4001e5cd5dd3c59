"""What a process may count on while it leads, and what its log must not say."""

import time

from smart_dairy_iot.bridge import database
from smart_dairy_iot.bridge.leader_connection import LEASE, OVERDUE, Lease
from smart_dairy_iot.bridge.shift import WorkerContext


def test_a_lease_runs_out_before_anybody_may_take_the_lead_away():
    now = [1000.0]
    lease = Lease(lambda: now[0])
    assert not lease.valid, "nothing has been asked yet"
    lease.renew(lease.now())
    now[0] += LEASE - 0.1
    assert lease.valid
    now[0] += 0.1
    assert not lease.valid
    assert LEASE < OVERDUE


def test_a_lease_runs_out_while_the_machine_is_suspended_when_the_monotonic_clock_stands_still(monkeypatch):
    since_boot = [1000.0]
    clocks = {time.CLOCK_BOOTTIME: lambda: since_boot[0], time.CLOCK_MONOTONIC: lambda: 1000.0}
    monkeypatch.setattr(time, "clock_gettime", lambda clock: clocks[clock]())
    monkeypatch.setattr(time, "monotonic", clocks[time.CLOCK_MONOTONIC])
    lease = Lease()
    lease.renew(lease.now())
    assert lease.valid
    since_boot[0] += 3600
    assert not lease.valid


def test_a_worker_s_context_in_a_log_or_traceback_does_not_show_the_database_s_password():
    context = WorkerContext({"dbname": "farm", "password": "hunter2"}, "farm", None, None, None)
    assert "hunter2" not in repr(context)
    assert "farm" in repr(context)


def test_no_two_advisory_locks_have_the_same_number():
    locks = {name: number for name, number in vars(database).items() if name.endswith("_LOCK")}
    assert {"DATA_QUALITY_LOCK", "DEVICE_LOCK"} <= set(locks)
    assert len(set(locks.values())) == len(locks), locks
