"""paho's client for a bridge: thousands of packets a second over one TLS connection.

As it comes, paho looks at the socket before each packet, reads each in four pieces, makes some forty calls for each
message, and sends each acknowledgement as a TLS record of its own. Here it reads what has come in one go, messages that
are there whole are taken out of that directly, and a batch is acknowledged in one record. A message of QoS 2 that the
broker refuses ends with that, which paho does not see. Every other packet is paho's.
What this needs of paho beyond its documented interface is `_packet_queue`, `_in_packet`, `_handle_pubrec`,
`_handle_pubackcomp`, `_thread` and a message's `_topic`; `tests/unit/test_bridge_bulk_client.py` holds it against the
version in use.
"""

import ssl

import paho.mqtt.client as mqtt

from .packets import decode_message

_READ_AHEAD = 65536
# So many times before paho sees to what it has to send.
_READS_AT_ONCE = 4
_PUBACK_BYTES = b"\x40\x02"
# Reason codes from here on are refusals (MQTT 5, 2.4).
_FIRST_REFUSAL = 0x80


class BulkClient(mqtt.Client):
    """`paho.mqtt.client.Client` with manual acknowledgement of QoS 1.

    :param deliver: callable(topic, payload, packet id, QoS, retained), called in paho's thread for each message that
        comes; the packet id is 0 at QoS 0
    """

    def __init__(self, client_id, deliver):
        super().__init__(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5, manual_ack=True)
        self._deliver = deliver
        self.on_message = self._on_paho_message

    @property
    def alive(self):
        """Whether paho's thread runs; an error in it ends it without a word, and nothing is received any more."""
        # paho has no public word for it. It forgets the thread where it ends.
        return self._thread is not None

    def use_tls(self, ca_file):
        """Connect over TLS, with a server whose certificate the file, or else the system, vouches for.

        :param ca_file: path, or None
        """
        context = ssl.create_default_context(cafile=ca_file)
        context.sslsocket_class = _ReadAheadSocket
        self.tls_set_context(context)

    def acknowledge(self, packet_ids):
        """Acknowledge messages of QoS 1 that came over the present connection, all in one packet of packets."""
        packets = b"".join([_PUBACK_BYTES + packet_id.to_bytes(2, "big") for packet_id in packet_ids])
        self._packet_queue(mqtt.PUBACK, packets, packet_ids[-1], 1)

    def loop_read(self, max_packets=1):
        """Handle what has come, not one packet alone: the first is paho's, which so knows that something came."""
        for _read in range(_READS_AT_ONCE):
            code = super().loop_read(max_packets)
            stream = self.socket()
            if code or not isinstance(stream, _ReadAheadSocket):
                break
            if not self._in_packet["command"]:
                for message in stream.take_messages():
                    self._deliver(*message)
            if not stream.pending():
                break
        return code

    def _handle_pubrec(self):
        """End a message of QoS 2 that the broker refuses: paho would go on to PUBREL and then call it published."""
        reason = self._in_packet["packet"][2:3]
        if reason and reason[0] >= _FIRST_REFUSAL:
            # It has the layout of a PUBACK, its codes, and nothing follows it (MQTT 5, 3.5 and 4.3.3).
            return self._handle_pubackcomp("PUBACK")
        return super()._handle_pubrec()

    def _on_paho_message(self, _client, _userdata, received):
        self._deliver(topic_of(received), received.payload, received.mid, received.qos, received.retain)


def topic_of(received):
    """The topic of paho's `MQTTMessage`; of one that is no UTF-8, which good brokers refuse, how Python writes it."""
    try:
        return received.topic
    except UnicodeDecodeError:
        return repr(received._topic)


class _ReadAheadSocket(ssl.SSLSocket):
    """Reads ahead: each look into TLS costs more than the few bytes that paho wants at a time."""

    _ahead = b""
    _position = 0

    def recv(self, buflen=1024, flags=0):
        if self._position == len(self._ahead):
            self._ahead, self._position = self._read_ahead(), 0
        begin, self._position = self._position, min(self._position + buflen, len(self._ahead))
        return self._ahead[begin : self._position]

    def take_messages(self):
        """Take out of what was read the messages that `decode_message` knows, up to the first packet that is none."""
        while decoded := decode_message(self._ahead, self._position):
            self._position, message = decoded
            yield message

    def pending(self):
        return len(self._ahead) - self._position + super().pending()

    def _read_ahead(self):
        """What is there, of as many records as have come; b"" at the end of the connection.

        :raises ssl.SSLWantReadError: where there is nothing
        """
        parts, size = [self.read(_READ_AHEAD)], 0
        # Who is ready to wait for the first bytes, as while connecting, does not want to wait for more than those.
        while self.gettimeout() == 0 and parts[-1] and size < _READ_AHEAD:
            size += len(parts[-1])
            try:
                parts.append(self.read(_READ_AHEAD))
            except ssl.SSLWantReadError:
                break
            # Whatever else is wrong with the connection is met again by who reads next.
            except OSError:
                break
        return b"".join(parts)
