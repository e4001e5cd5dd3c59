"""The bridge's figures for Prometheus, in the process's default registry, served on loopback."""

import contextlib
import logging

from prometheus_client import REGISTRY, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

_logger = logging.getLogger(__name__)


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


class BridgeMetrics:
    """Reads the pipeline's own counters when scraped: nothing is counted twice.

    :param db_name: value of the label `database`
    :param read_http: callable that gives the counters of the messages over HTTP, see `ingestion.read_counters`
    """

    def __init__(self, db_name, pipeline, read_http):
        self._db_name = db_name
        self._pipeline = pipeline
        self._read_http = read_http
        REGISTRY.register(self)

    def close(self):
        REGISTRY.unregister(self)

    def describe(self):
        # Several databases give the same families; told so here, the registry does not look for collisions.
        return []

    def collect(self):
        messages = CounterMetricFamily(
            "smart_dairy_messages",
            "Messages the bridge has received, by outcome; received is the sum of the others.",
            labels=["database", "outcome"],
        )
        for outcome, count in self._pipeline.counters.as_dict().items():
            messages.add_metric([self._db_name, outcome], count)
        yield messages
        http = CounterMetricFamily(
            "smart_dairy_http_messages",
            "Messages that came over HTTP, by outcome, since the platform was installed; received is their sum.",
            labels=["database", "outcome"],
        )
        for outcome, count in self._read_http().items():
            http.add_metric([self._db_name, outcome], count)
        yield http
        waiting = GaugeMetricFamily(
            "smart_dairy_messages_waiting", "Messages received and not yet stored.", labels=["database"]
        )
        waiting.add_metric([self._db_name], self._pipeline.waiting)
        yield waiting
