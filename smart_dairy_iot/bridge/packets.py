"""MQTT 5's PUBLISH packet (OASIS MQTT 5.0, 3.3), as a bridge receives it by the thousand."""

_PUBLISH = 0x30


def decode_message(data, begin):
    """The message that begins there, if it is one of QoS 0 or 1 that is there whole and gives its topic in full.

    :param data: bytes as they came
    :return: (where it ends, (topic, payload, packet id, QoS, retained)), or None; the packet id is 0 at QoS 0
    """
    try:
        flags = data[begin]
        qos = flags >> 1 & 3
        if flags & 0xF0 != _PUBLISH or qos > 1:
            return None
        length, topic_begin = _variable_integer(data, begin + 1)
        end, topic_begin = topic_begin + length, topic_begin + 2
        position = topic_end = topic_begin + (data[topic_begin - 2] << 8 | data[topic_begin - 1])
        packet_id = 0
        if qos:
            packet_id, position = data[position] << 8 | data[position + 1], position + 2
        properties_length, position = _variable_integer(data, position)
        payload_begin = position + properties_length
        if payload_begin > end or end > len(data) or topic_end == topic_begin or packet_id == 0 < qos:
            return None
        message = data[topic_begin:topic_end].decode(), data[payload_begin:end], packet_id, qos, bool(flags & 1)
    # Cut short: the rest has not come yet. A topic that is no UTF-8: somebody else is to say so.
    except (IndexError, UnicodeDecodeError):
        return None
    return end, message


def _variable_integer(data, position):
    """:return: (a Variable Byte Integer, where it ends)

    :raises IndexError: where it is cut short or has more than four bytes
    """
    value = data[position]
    if value < 0x80:
        return value, position + 1
    value &= 0x7F
    for shift in (7, 14, 21):
        position += 1
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
    raise IndexError("more than four bytes")
