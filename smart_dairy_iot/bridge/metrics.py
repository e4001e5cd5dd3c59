"""The bridge's figures for Prometheus, in the process's default registry, served on loopback.

For operators: `docs/monitoring.md` says of each what to do about it. Whoever may open a connection on this machine may
read them: they are counts, and no label says more than a database's name. Samples of a label add up to the whole, and
no label has more values than stand here.
"""

import contextlib
import logging
import threading

from prometheus_client import REGISTRY, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

_logger = logging.getLogger(__name__)

#: Name of a family -> (its class, what it tells, its labels beside `database`).
_FAMILIES = {
    "smart_dairy_messages": (
        CounterMetricFamily,
        "Messages the bridge was given since it took the lead, by outcome.",
        ["outcome"],
    ),
    "smart_dairy_http_messages": (
        CounterMetricFamily,
        "Messages that came over HTTP since the platform was installed, by outcome.",
        ["outcome"],
    ),
    "smart_dairy_messages_waiting": (GaugeMetricFamily, "Messages received and not yet stored.", []),
    "smart_dairy_connected": (
        GaugeMetricFamily,
        "Where this process leads: 1 while the broker has its subscriptions, and while the database takes readings.",
        ["to"],
    ),
    "smart_dairy_leads": (GaugeMetricFamily, "1 where this process leads in the role, 0 where it stands by.", ["role"]),
    "smart_dairy_inbox_messages": (
        GaugeMetricFamily,
        "Messages in the inbox: new (not yet tried), retrying (failed, tried again later), failed (given up).",
        ["state"],
    ),
    "smart_dairy_inbox_lag_seconds": (GaugeMetricFamily, "Age of the oldest message not yet tried.", []),
    "smart_dairy_outbox_entries": (
        GaugeMetricFamily,
        "Entries in the outbox: queued (to be published), failed (the broker would not take them).",
        ["state"],
    ),
    "smart_dairy_outbox_lag_seconds": (GaugeMetricFamily, "Age of the oldest entry to be published.", []),
    "smart_dairy_quality_messages": (
        GaugeMetricFamily,
        "Messages in the last hour that was assessed: expected, of these missing; refused as out_of_range.",
        ["kind"],
    ),
    "smart_dairy_quality_devices": (GaugeMetricFamily, "Devices in that hour, by what is wrong.", ["problem"]),
    "smart_dairy_quality_hour_timestamp_seconds": (
        GaugeMetricFamily,
        "Beginning of that hour, in seconds since 1970.",
        [],
    ),
}


@contextlib.contextmanager
def serve_metrics(port):
    """Serve the figures of this process on http://127.0.0.1:`port`/metrics; not at all where the port is 0."""
    if not port:
        yield
        return
    try:
        server, thread = start_http_server(port, addr="127.0.0.1")
    except OSError as error:
        # A bridge that stands by on the same machine has the same settings. It is to stand by all the same.
        _logger.warning("The bridge's figures are not served on port %s: %s", port, error)
        yield
        return
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Exporter:
    """Gathers the samples of all databases of the process under one family each: Prometheus takes no family twice."""

    def __init__(self):
        self._sources = []
        self._lock = threading.Lock()
        REGISTRY.register(self)

    def add(self, db_name, read):
        with self._lock:
            self._sources.append((db_name, read))

    def remove(self, db_name, read):
        with self._lock:
            self._sources.remove((db_name, read))

    def describe(self):
        # What there is to tell is known when it is asked for.
        return []

    def collect(self):
        with self._lock:
            sources = list(self._sources)
        families = {}
        for db_name, read in sources:
            for name, labels, value in read():
                family = families.get(name) or families.setdefault(name, _family(name))
                family.add_metric([db_name, *labels], value)
        yield from families.values()


def _family(name):
    kind, documentation, labels = _FAMILIES[name]
    return kind(name, documentation, labels=["database", *labels])


_exporter = _Exporter()


class Figures:
    """A part's figures, among those of the process until `close`.

    :param db_name: value of the label `database`
    :param read: callable that gives (family, values of its other labels, value) whenever the figures are scraped
    """

    def __init__(self, db_name, read):
        self._source = (db_name, read)
        _exporter.add(*self._source)

    def close(self):
        _exporter.remove(*self._source)


class BridgeMetrics(Figures):
    """Reads the pipeline's own counters when scraped: nothing is counted twice.

    :param client: `BrokerClient`
    :param read_http: callable that gives the counters of the messages over HTTP, see `ingestion.read_counters`
    :param read_mailboxes: callable that gives the figures of inbox and outbox, see `mailboxes.read_mailboxes`
    """

    def __init__(self, db_name, pipeline, client, read_http, read_mailboxes):
        self._pipeline = pipeline
        self._client = client
        self._read_http = read_http
        self._read_mailboxes = read_mailboxes
        super().__init__(db_name, self._read)

    def _read(self):
        yield from _by_outcome("smart_dairy_messages", self._pipeline.counters.as_dict())
        yield from _by_outcome("smart_dairy_http_messages", self._read_http())
        yield "smart_dairy_messages_waiting", [], self._pipeline.waiting
        yield "smart_dairy_connected", ["broker"], int(self._client.receiving.is_set())
        yield "smart_dairy_connected", ["database"], int(not self._pipeline.outage)
        mailboxes = self._read_mailboxes()
        for mailbox, unit in (("inbox", "messages"), ("outbox", "entries")):
            figures = dict(mailboxes[mailbox])
            yield f"smart_dairy_{mailbox}_lag_seconds", [], figures.pop("lag_seconds")
            for state, count in figures.items():
                yield f"smart_dairy_{mailbox}_{unit}", [state], count


def _by_outcome(family, counters):
    """Without what was received, which is the sum of the others: a query that adds them up would count it twice."""
    for outcome, count in counters.items():
        if outcome != "received":
            yield family, [outcome], count


def quality_figures(quality):
    """Figures of the last hour that was assessed, see `telemetry.quality.read_quality`; none before the first one."""
    if quality["hour"] is None:
        return
    yield "smart_dairy_quality_hour_timestamp_seconds", [], quality["hour"]
    for kind, count in quality["messages"].items():
        yield "smart_dairy_quality_messages", [kind], count
    for problem, count in quality["devices"].items():
        yield "smart_dairy_quality_devices", [problem], count
