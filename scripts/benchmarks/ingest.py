"""Messages a second from the publisher to the commit, and the same for what bounds it.

The bridge runs as in production, as its own process with all its duties. In each round bare paho receives the same
messages, PostgreSQL copies the same readings in, and the bridge stores them; each figure is the median of the rounds.
"""

import itertools
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

from stack.shell import StackError, run, say

from .account import Account
from .farm import DATABASE, SMOKE, BenchFarm, plan
from .limits import BARE_PREFIX
from .load import memory_mb, start_bridge, utc_now, wait_accepted
from .results import median_of
from .traffic import messages

FARM = plan("ingest", 10_000)
MESSAGES = 4_000 if SMOKE else 200_000
ROUNDS = 1 if SMOKE else 3
ORM_MESSAGES = 50 if SMOKE else 1_000
RECEIVE_MAXIMUM = 10_000  # the bridge's default
_STEP = timedelta(seconds=1)


def measure(farm: BenchFarm) -> dict:
    """The medians of the rounds, see `docs/benchmarks.md`.

    :raises StackError: where the server is without TimescaleDB
    """
    # What PostgreSQL copies goes into tables with the same indexes, which a view has none of.
    farm.require_timescaledb()
    with ProcessPoolExecutor(max_workers=1) as publishing:
        bench = IngestBench(farm, publishing)
        orm_rate = bench.orm_rate()
        say(f"one transaction of the ORM for each message: {orm_rate:,.0f}/s")
        start_bridge(farm)
        rounds = []
        for _number in range(ROUNDS):
            rounds.append(bench.round(orm_rate))
            say(", ".join(f"{name} {value:,}" for name, value in rounds[-1].items()))
    return {"bench": "ingest"} | median_of(rounds)


class IngestBench:
    """:param publishing: executor of the process that publishes"""

    def __init__(self, farm, publishing):
        self._farm = farm
        self._publishing = publishing
        self._begin = utc_now() - timedelta(days=1)
        self._rounds = itertools.count(1)

    def round(self, orm_rate: float) -> dict:
        """Each rate measured once; no two rounds have the same times in their messages.

        :raises StackError: where some were not stored, or not once
        """
        begin = self._begin + next(self._rounds) * timedelta(hours=1)
        paho_rate = self._paho_rate(begin)
        account, stored, accepted = Account(self._farm), self._farm.stored(), self._farm.accepted()
        began, _acknowledged = self._publish(begin, MESSAGES)
        rate = MESSAGES / (wait_accepted(self._farm, accepted + MESSAGES) - began)
        memory = memory_mb(self._farm.bridge)
        return {
            **account.check(MESSAGES, self._farm.stored() - stored),
            "rate": round(rate),
            "paho_rate": round(paho_rate),
            "copy_rate": round(self._farm.copy_rate(begin, begin + timedelta(hours=1))),
            "orm_rate": round(orm_rate),
            "ratio_paho": round(rate / paho_rate, 3),
            "ratio_orm": round(rate / orm_rate, 1),
            "rss_mb": round(memory, 1),
        }

    def orm_rate(self) -> float:
        """Messages a second where each is a transaction of the ORM."""
        instance = self._farm.instance
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            for topic, payload in messages(self._farm.devices, ORM_MESSAGES, self._begin, _STEP):
                if topic.endswith("/data"):
                    file.write(json.dumps([topic, payload.decode()]) + "\n")
            file.flush()
            done = run(
                *instance.command("shell", "-d", DATABASE, "--no-http", "--log-level", "warn"),
                input=Path(__file__).with_name("orm_limit.py").read_text(),
                env=instance.environ() | {"BENCH_MESSAGES": file.name},
                cwd=instance.directory,
                what="The design of one transaction per message",
            )
        return float(done.stdout.split()[-1])

    def _publish(self, begin: datetime, count: int, prefix: str = "") -> tuple[float, float]:
        return self._publishing.submit(
            _publish, self._farm.publisher, self._farm.devices, begin, count, prefix
        ).result()

    def _paho_rate(self, begin: datetime) -> float:
        broker, publisher = self._farm.broker, self._farm.publisher
        settings = {
            "host": broker.host,
            "port": broker.port,
            "ca_file": str(broker.ca_file),
            "username": publisher.username,
            "password": publisher.password,
            "receive_maximum": RECEIVE_MAXIMUM,
            "expected": MESSAGES,
        }
        command = [sys.executable, "-m", "benchmarks.limits"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as receiver:
            receiver.stdin.write(json.dumps(settings) + "\n")
            receiver.stdin.flush()
            if receiver.stdout.readline() != "ready\n":
                raise StackError("Bare paho did not come up.")
            began, _acknowledged = self._publish(begin, MESSAGES, f"{BARE_PREFIX}/")
            return MESSAGES / (float(receiver.stdout.readline()) - began)


def _publish(publisher, devices, begin, count, prefix):
    """In the publishing process: prepare a round's messages and publish them."""
    return publisher.publish((prefix + topic, payload) for topic, payload in messages(devices, count, begin, _STEP))
