"""Blocking calls in a thread: in their order, each with its result, and none keeps the process from ending."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from smart_dairy_iot_milk.modbus.calls import Calls

ADDON = Path(__file__).parents[2] / "smart_dairy_iot_milk"

STORES_FOR_EVER = """
import asyncio, sys, threading
from concurrent.futures import Future
from types import SimpleNamespace
from modbus.delivery import Delivery

is_storing = threading.Event()

def submit(topic, payload):
    future = Future()
    future.cancel()
    return future

def store(entries):
    is_storing.set()
    threading.Event().wait()

async def deliver():
    delivery = Delivery(SimpleNamespace(submit=submit, store=store))
    delivery.put("topic", {"device_id": "MM-1"})
    task = asyncio.create_task(delivery.run())
    while not is_storing.is_set():
        await asyncio.sleep(0.01)
    task.cancel()

asyncio.run(deliver())
print("the end")
"""


def test_calls_follow_one_another_and_each_gives_its_result():
    calls, order = Calls("test"), []
    futures = [calls.submit(lambda number=number: order.append(number) or number) for number in range(100)]
    assert [future.result(60) for future in futures] == list(range(100)) == order


def test_what_is_raised_is_raised_to_whoever_waits_and_the_next_call_is_made():
    calls = Calls("test")
    failing, following = calls.submit(int, "x"), calls.submit(int, "7")
    with pytest.raises(ValueError, match="invalid literal"):
        failing.result(60)
    assert following.result(60) == 7


def test_a_call_that_nobody_waits_for_any_more_is_not_made():
    calls, goes_on, made = Calls("test"), threading.Event(), []
    calls.submit(goes_on.wait, 60)
    dropped, last = calls.submit(made.append, "dropped"), calls.submit(made.append, "last")
    dropped.cancel()
    goes_on.set()
    last.result(60)
    assert made == ["last"]


def test_a_call_is_made_after_no_thread_could_be_started(monkeypatch):
    calls = Calls("test")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", lambda _self: (_ for _ in ()).throw(RuntimeError("no thread")))
        with pytest.raises(RuntimeError, match="no thread"):
            calls.submit(int, "1")
    assert calls.submit(int, "2").result(60) == 2


def test_a_process_ends_though_a_call_never_returns():
    """As where a network swallows everything that is sent to the database."""
    command, env = [sys.executable, "-c", STORES_FOR_EVER], os.environ | {"PYTHONPATH": str(ADDON)}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
    assert (ended.returncode, ended.stdout) == (0, "the end\n"), ended.stderr
