"""Topics: patterns become subscriptions and routes, and nothing else gets in."""

import pytest

from smart_dairy_iot.bridge.topics import Route, TopicPattern, TopicTable, check_publishable

DATA = TopicPattern("dairy/{farm_id}/milk_meters/{device_id}/data", "milk_meter", "data")
GENERIC = TopicPattern("dairy/{farm_id}/{device_type}/{device_id}/{message_type}", "collar", "status")
COMMANDS = TopicPattern("dairy/{farm_id}/milk_meters/{device_id}/commands", "milk_meter", "commands")
HEALTH = TopicPattern("dairy/system/health", "system", "health")


@pytest.fixture
def table():
    return TopicTable([DATA, GENERIC, COMMANDS, HEALTH])


def test_a_pattern_is_filled_with_farm_code_type_path_and_device():
    assert GENERIC.fill("FARM001", "AC001") == "dairy/FARM001/collars/AC001/status"


def test_the_bridge_subscribes_to_what_devices_publish_and_nothing_else(table):
    assert table.subscriptions() == ["dairy/+/collars/+/status", "dairy/+/milk_meters/+/data"]


def test_a_topic_of_a_device_has_a_route(table):
    assert table.route("dairy/FARM001/milk_meters/MM001/data") == Route("FARM001", "milk_meter", "MM001", "data")


@pytest.mark.parametrize(
    "topic",
    [
        "dairy/FARM001/milk_meters/MM001/commands",
        "dairy/FARM001/milk_meters/MM001/data/more",
        "dairy/FARM001/feeders/MM001/data",
        "dairy/FARM 1/milk_meters/MM001/data",
        "dairy/FARM001/milk_meters/+/data",
        "dairy/FARM001/milk_meters/MM$1/data",
        "dairy/FARM001/milk_meters/MM001\n/data",
        "dairy//milk_meters/MM001/data",
        "dairy/system/health",
        "",
    ],
)
def test_a_topic_that_is_no_publish_topic_of_a_device_has_none(table, topic):
    assert table.route(topic) is None


def test_a_pattern_a_user_wrote_with_dots_matches_literally():
    table = TopicTable([TopicPattern("farm.iot/{farm_id}/{device_id}", "gate", "data")])
    assert table.route("farm.iot/F1/G1").device_type == "gate"
    assert table.route("farmXiot/F1/G1") is None


def test_a_segment_may_have_any_name():
    table = TopicTable([TopicPattern("dairy/DEVICEID/{farm_id}/FARMCODE/{device_id}", "gate", "data")])
    assert table.route("dairy/DEVICEID/F1/FARMCODE/G1") == Route("F1", "gate", "G1", "data")


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("dairy/{farm_id}/gates/{device_id}/data", "dairy/{farm_id}/gates/{device_id}/status", False),
        ("dairy/{farm_id}/gates/{device_id}/data", "dairy/{farm_id}/{device_type}/{device_id}/{message_type}", True),
        ("dairy/{farm_id}/gates/{device_id}/data", "dairy/{farm_id}/gates/{device_id}", False),
        ("dairy/system/health", "dairy/{farm_id}/health", True),
        ("dairy/{farm_id}/x", "dairy/{farm_id}/x", True),
    ],
)
def test_two_patterns_overlap_where_one_topic_matches_both(one, other, overlap):
    one, other = TopicPattern(one, "gate", "data"), TopicPattern(other, "gate", "data")
    assert one.overlaps(other) is other.overlaps(one) is overlap


NO_TOPICS = [
    "",
    "dairy/+/config",
    "dairy/#",
    "dairy/a\tb",
    "dairy/\0",
    "dairy/\x85",
    "dairy/\ufffe",
    "dairy/\U0001ffff",
]
NO_TOPICS += ["dairy/\ud800", "dairy" + "/x" * 200, "x" * 65536]


@pytest.mark.parametrize("topic", NO_TOPICS, ids=lambda topic: ascii(topic[:12]))
def test_a_topic_over_which_a_broker_would_end_the_connection_is_not_published_to(topic):
    with pytest.raises(ValueError, match="the topic"):
        check_publishable(topic)


@pytest.mark.parametrize("topic", ["dairy/A-1/config", "dairy/Käserei", "a" + "/x" * 199, "x" * 65535])
def test_other_topics_are_published_to(topic):
    check_publishable(topic)
