"""Ports are settings; what makes no sense is refused with the setting's name."""

import pytest

from stack.settings import ports
from stack.shell import StackError


def test_a_port_set_in_the_environment_wins_over_its_default():
    assert ports({}).http == 8069
    assert ports({"SMART_DAIRY_HTTP_PORT": "9000"}).http == 9000


@pytest.mark.parametrize("text", ["", "http", "0", "65536", "-1"])
def test_what_is_no_port_is_refused_by_name(text):
    with pytest.raises(StackError, match="SMART_DAIRY_MQTT_PORT"):
        ports({"SMART_DAIRY_MQTT_PORT": text})
