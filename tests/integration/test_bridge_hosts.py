"""The bridge runs in a threaded server, in a prefork server and alone; one leads; it ends cleanly with its host."""

import os
import re
import signal
import time
import urllib.request

import pytest

from bridge_command import BridgeCommand
from stack.paths import ROOT
from stack.shell import free_port

ADDON = ROOT / "smart_dairy_iot"


def prefork(instance):
    instance.workers = 2
    return instance


TRACEBACK = re.compile(r"^Traceback.*\n(?:[ \t].*\n)*.*", re.MULTILINE)

HOSTS = {"threaded": lambda instance: instance, "prefork": prefork, "command": BridgeCommand}


def log_of(host):
    return host.log_file.read_text()


def leads(host):
    return host.log_file.exists() and "The bridge is connected to the broker" in log_of(host)


@pytest.mark.parametrize("kind", HOSTS)
def test_wherever_it_runs_the_bridge_stores_what_is_published_and_ends_cleanly(kind, instance, bench, sensor):
    with HOSTS[kind](instance) as host:
        bench.wait_for(lambda: leads(host), "the bridge leads")
        sensor.publish(0, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 1)
        pid = host.pid()
        os.kill(pid, signal.SIGTERM)
        bench.wait_for(lambda: not host.running(), "the host ends")
    log = log_of(host)
    assert "no longer leads" in log
    assert " ERROR " not in log
    # Of the product: 17.0's own cron thread may trip over the connection that the server closes under it.
    assert not [block for block in TRACEBACK.findall(log) if "smart_dairy" in block]
    holders = bench.query(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
        " WHERE locktype = 'advisory' AND datname = current_database()"
    )
    assert holders == [(0,)], "nobody holds the lead any more"


def test_in_a_prefork_server_the_bridge_is_a_process_of_its_own_that_is_started_again_when_killed(
    instance, bench, sensor
):
    with prefork(instance) as host:
        bench.wait_for(lambda: leads(host), "the bridge leads")
        holder = (
            "SELECT activity.pid FROM pg_locks JOIN pg_stat_activity activity USING (pid) WHERE locktype = 'advisory'"
        )
        first = bench.query(holder)
        workers = [line for line in log_of(host).splitlines() if "Worker WorkerIotBridge" in line]
        os.kill(int(workers[0].split("(")[1].split(")")[0]), signal.SIGKILL)
        bench.wait_for(lambda: bench.query(holder) not in ([], first), "another process leads")
        sensor.publish(0, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 1)


def test_the_bridges_counters_are_served_to_prometheus(instance, bench, sensor):
    port = instance.section["metrics_port"] = str(free_port())
    with BridgeCommand(instance) as command:
        bench.wait_for(lambda: leads(command), "the bridge leads")
        sensor.publish(0, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 1)
        stored = f'smart_dairy_messages_total{{database="{instance.database}",outcome="stored"}} 1.0'
        bench.wait_for(lambda: stored in metrics(port), "the reading is counted")


def metrics(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        return response.read().decode()


def test_beside_a_running_bridge_another_stands_by_and_takes_over(instance, bench, sensor):
    with BridgeCommand(instance) as command:
        bench.wait_for(lambda: leads(command), "the bridge leads")
        with instance.start() as server:
            bench.wait_for(lambda: "stands by" in log_of(server), "the server's own bridge stands by")
            command.kill()
            bench.wait_for(lambda: leads(server), "the server's bridge takes over")
            sensor.publish(0, temperature=4)
            bench.wait_for_count("iot_temperature_reading", 1)


def test_a_database_that_is_restarted_costs_its_bridge_no_more_than_a_few_seconds(bed, instance, bench, sensor):
    with BridgeCommand(instance) as command:
        bench.wait_for(lambda: leads(command), "the bridge leads")
        bed.postgres.kill()
        # Longer than the interval at which the host looks for changes.
        time.sleep(7)
        bed.postgres.start()
        sensor.publish(0, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 1)
        assert log_of(command).count("bridge host failed") == 0
        assert log_of(command).count(f"bridge {instance.database} failed") == 0


def test_a_copy_for_trying_things_out_leaves_the_broker_alone(bench, instance):
    bench.query((ADDON / "data" / "neutralize.sql").read_text())
    parameters = "SELECT value FROM ir_config_parameter WHERE key = 'iot.bridge_enabled'"
    assert bench.query(parameters) == [("false",)]


def test_no_bridge_runs_while_modules_are_installed_or_upgraded(instance):
    log = instance.run_to_end("-u", "smart_dairy_iot", "--stop-after-init", "--no-http", what="upgrading")
    assert "leads" not in log


def test_reactors_can_have_a_process_of_their_own(instance, bench, sensor):
    alert = (
        "INSERT INTO iot_inbox (kind, iot_device_id, timestamp, channel, digest, payload, received_at, state, attempts,"
        " next_try_at)"
        " SELECT 'device_alert', id, '2026-01-01', 0, '', '{}', now(), 'new', 0, '2026-01-01' FROM iot_device"
    )
    with BridgeCommand(instance, "--reactors", "off") as command:
        bench.wait_for(lambda: leads(command), "the bridge leads")
        bench.query(alert + " WHERE device_id = 'TS-1'")
        sensor.publish(0, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 1)
        assert bench.query("SELECT state FROM iot_inbox") == [("new",)], "this bridge leaves the inbox alone"
    with BridgeCommand(instance, "--reactors", "only"):
        bench.wait_for(lambda: bench.query("SELECT state FROM iot_inbox") == [("done",)], "the inbox is processed")
