"""The limits that the bridge is held against, measured in the same run: what a broker client receives that does nothing
with it, how fast PostgreSQL copies the same rows in, and the design in which each message is a transaction of the ORM.
"""

import io
import json
import sys
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from psycopg2 import sql

#: Topics that the bridge does not subscribe to: one level more than its own.
BARE_PREFIX = "dairy/bare"


class BareReceiver:
    """Receives with paho, by the bridge's own settings of the connection, and only counts."""

    def __init__(self, host, port, ca_file, username, password, receive_maximum):
        self.count = 0
        self.subscribed = False
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="bench-bare", protocol=mqtt.MQTTv5)
        self._client.username_pw_set(username, password)
        self._client.tls_set(ca_file)
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        properties = Properties(PacketTypes.CONNECT)
        properties.ReceiveMaximum = receive_maximum
        self._client.connect(host, port, clean_start=True, properties=properties)
        self._client.subscribe(f"{BARE_PREFIX}/#", qos=1)

    def run(self, expected):
        """Receive so many; returns when the last came."""
        while not self.subscribed:
            self._client.loop(0.1)
        print("ready", flush=True)
        # In a thread, as in the bridge, so that paho's own cost is the same.
        self._client.loop_start()
        while self.count < expected:
            time.sleep(0.005)
        ended = time.monotonic()
        self._client.loop_stop()
        return ended

    def _on_subscribe(self, *_arguments):
        self.subscribed = True

    def _on_message(self, _client, _userdata, _message):
        self.count += 1


def copy_rate(connection, tables, begin, end, batch):
    """Rows a second that PostgreSQL copies into tables with the same columns and indexes, and nothing else.

    :param tables: names of telemetry tables; their rows of the time from ``begin`` to ``end`` are what is copied
    :param batch: rows in a transaction
    """
    rows, seconds = 0, 0.0
    for table in map(sql.Identifier, tables):
        with connection.cursor() as cursor:
            text = io.StringIO()
            rows_of_time = sql.SQL("COPY (SELECT * FROM {} WHERE timestamp >= {} AND timestamp < {}) TO STDOUT")
            cursor.copy_expert(rows_of_time.format(table, sql.Literal(begin), sql.Literal(end)), text)
            lines = text.getvalue().splitlines(keepends=True)
            cursor.execute(sql.SQL("CREATE TABLE bench_copy (LIKE {} INCLUDING ALL)").format(table))
            connection.commit()
            began = time.monotonic()
            for first in range(0, len(lines), batch):
                cursor.copy_expert("COPY bench_copy FROM STDIN", io.StringIO("".join(lines[first : first + batch])))
                connection.commit()
            seconds += time.monotonic() - began
            rows += len(lines)
            cursor.execute("DROP TABLE bench_copy")
            connection.commit()
    return rows / seconds


if __name__ == "__main__":
    settings = json.loads(sys.stdin.readline())
    expected = settings.pop("expected")
    print(BareReceiver(**settings).run(expected), flush=True)
