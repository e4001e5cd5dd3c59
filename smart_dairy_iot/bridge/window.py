"""What the broker has delivered and nobody has acknowledged yet.

The broker delivers all of it again over the next connection, as far as it still has it: after a SIGKILL it may come
back with an earlier state. So nothing that waits here is given up for that. A message that does come again takes the
place of the copy that waits, and does not wait twice: without that, each reconnection while the database is away would
add a whole window to what is in memory.
"""

import threading


class Window:
    """Messages of QoS 1 between their delivery and their acknowledgement; used by paho's thread and by the writer.

    A packet id stands for a message over one connection only: the broker gives ids out again. Each connection has a
    number, its epoch; an acknowledgement is sent only over the connection that delivered the message, since a later one
    could stand for another message, which was never stored.
    """

    def __init__(self):
        # Whoever acknowledges may find the connection broken, and is then told of its end in the middle of it.
        self._lock = threading.RLock()
        self._epoch = 0
        #: Packet id -> message, of the present connection.
        self._delivered = {}
        #: (topic, payload) -> messages of earlier connections, the oldest first.
        self._left_over = {}

    def turn_over(self):
        """A connection has begun or ended: what was delivered is not to be acknowledged as it stands any more."""
        with self._lock:
            self._epoch += 1
            for message in self._delivered.values():
                self._left_over.setdefault((message.topic, message.payload), []).append(message)
            self._delivered = {}

    def admit(self, message):
        """Note a message that has come over the present connection.

        :return: whether it is to be stored; one that waits already is not, and is acknowledged in its place
        """
        with self._lock:
            known = self._delivered.get(message.mid)
            if known and (known.topic, known.payload) == (message.topic, message.payload):
                # Some brokers repeat over the same connection what takes long.
                return False
            waiting = self._take_left_over(message.topic, message.payload)
            current = waiting or message
            current.epoch, current.mid = self._epoch, message.mid
            self._delivered[message.mid] = current
            return waiting is None

    def settle(self, messages, acknowledge):
        """These are stored: acknowledge what came over the present connection, and wait for none of them any more.

        :param acknowledge: callable(list of packet ids); no other thread ends or begins a connection while it runs
        """
        with self._lock:
            packet_ids = []
            for message in messages:
                if not message.qos:
                    continue
                if message.epoch == self._epoch:
                    self._delivered.pop(message.mid, None)
                    packet_ids.append(message.mid)
                else:
                    self._drop_left_over(message)
            if packet_ids:
                acknowledge(packet_ids)

    def __len__(self):
        return len(self._delivered) + sum(map(len, self._left_over.values()))

    def _take_left_over(self, topic, payload):
        messages = self._left_over.get((topic, payload))
        if not messages:
            return None
        message = messages.pop(0)
        if not messages:
            del self._left_over[topic, payload]
        return message

    def _drop_left_over(self, message):
        messages = self._left_over.get((message.topic, message.payload), [])
        if message in messages:
            messages.remove(message)
            if not messages:
                del self._left_over[message.topic, message.payload]
