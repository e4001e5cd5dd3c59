"""A message is taken out of what came exactly as it was put in, and nothing is taken that is not there whole."""

from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.properties import VariableByteIntegers

from smart_dairy_iot.bridge.packets import decode_message

TOPICS = st.text(min_size=1, max_size=300).map(str.encode)


def packet(topic, payload, packet_id, qos, retained, properties=b""):
    body = len(topic).to_bytes(2, "big") + topic
    body += packet_id.to_bytes(2, "big") if qos else b""
    body += VariableByteIntegers.encode(len(properties)) + properties + payload
    return bytes([0x30 | qos << 1 | retained]) + VariableByteIntegers.encode(len(body)) + body


@given(
    TOPICS,
    st.binary(max_size=20000),
    st.integers(1, 65535),
    st.integers(0, 1),
    st.booleans(),
    st.binary(max_size=200),
    st.binary(max_size=10),
    st.binary(max_size=10),
)
def test_what_is_taken_is_what_was_sent(topic, payload, packet_id, qos, retained, properties, before, after):
    data = packet(topic, payload, packet_id, qos, retained, properties)
    end, message = decode_message(before + data + after, len(before))
    assert end == len(before) + len(data)
    assert message == (topic.decode(), payload, packet_id if qos else 0, qos, retained)


@given(TOPICS, st.binary(max_size=300), st.integers(1, 65535), st.data())
def test_a_message_that_is_not_there_whole_is_left(topic, payload, packet_id, data):
    whole = packet(topic, payload, packet_id, 1, False)
    assert decode_message(whole[: data.draw(st.integers(0, len(whole) - 1))], 0) is None


@given(st.binary(max_size=300), st.integers(0, 300))
def test_whatever_comes_is_a_message_or_none_and_never_an_error(data, begin):
    decoded = decode_message(data, begin)
    assert decoded is None or begin < decoded[0] <= len(data)


def test_what_is_for_others_to_handle_is_left():
    assert decode_message(b"\xd0\x00", 0) is None
    assert decode_message(packet(b"t", b"", 1, 2, False), 0) is None, "QoS 2"
    assert decode_message(packet(b"", b"", 1, 1, False), 0) is None, "a topic by its alias"
    assert decode_message(packet(b"t", b"", 0, 1, False), 0) is None, "no packet id"
    assert decode_message(packet(b"\xff", b"", 1, 1, False), 0) is None, "no UTF-8"
    assert decode_message(b"\x30\xff\xff\xff\xff\x01", 0) is None, "a length of five bytes"
