"""What counts as a difference between the register and a broker, and what does not."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from smart_dairy_iot.provisioning.base import BrokerUser, DeviceAccess, FoundUser, PasswordHash
from smart_dairy_iot.provisioning.reconciliation import MOST_TOPICS, Drift, compare

TOPIC = "dairy/HILL/temperature/T-1"
PASSWORD = PasswordHash.of("issued")
WANTED = BrokerUser(
    DeviceAccess("TE_T-1", "sd_T-1", publish=(f"{TOPIC}/data", f"{TOPIC}/status"), subscribe=(f"{TOPIC}/commands",)),
    enabled=True,
    password=PASSWORD,
)
FOUND = FoundUser(
    "TE_T-1",
    "sd_T-1",
    True,
    frozenset({f"{TOPIC}/data", f"{TOPIC}/status"}),
    frozenset({f"{TOPIC}/commands"}),
    PASSWORD,
)


def differences(wanted=WANTED, found=FOUND):
    return compare({"TE_T-1": wanted}, {"TE_T-1": found}, tells_passwords=True)


def test_a_user_that_is_as_the_register_says_is_no_difference_in_whatever_order_its_topics_come():
    assert differences() == []
    reversed_access = replace(WANTED.access, publish=WANTED.access.publish[::-1])
    assert differences(replace(WANTED, access=reversed_access)) == []


def test_a_user_the_broker_does_not_know_is_missing():
    assert compare({"TE_T-1": WANTED}, {}) == [Drift("missing", "TE_T-1")]


def test_a_disabled_user_that_is_not_there_is_refused_as_it_should_be():
    assert compare({"TE_T-1": replace(WANTED, enabled=False)}, {}) == []


def test_a_user_of_no_device_is_foreign_with_what_it_may_do():
    (drift,) = compare({}, {"dash": replace(FOUND, username="dash", others=("it may receive dairy/#",))})
    assert (drift.kind, drift.username) == ("foreign", "dash")
    text = " ".join(drift.details)
    assert "may connect" in text
    assert f"{TOPIC}/commands" in text
    assert "It may receive dairy/#." in text


def test_a_second_password_that_was_not_issued_or_is_good_for_longer_is_a_difference():
    until = datetime(2026, 1, 2)
    former = PasswordHash.of("former")
    in_grace = replace(WANTED, previous_password=former, previous_until=until)
    assert differences(in_grace, replace(FOUND, previous_password=former, previous_until=until)) == []
    # The register does not forget it when the grace is over; the broker tells it no more then.
    assert differences(in_grace, FOUND) == []
    for wanted, second, end in (
        (WANTED, former, until),
        (in_grace, PasswordHash.of("another"), until),
        (in_grace, former, until + timedelta(days=1)),
    ):
        (drift,) = differences(wanted, replace(FOUND, previous_password=second, previous_until=end))
        assert drift.kind == "stale"
        assert "second password" in drift.details[0]


def test_the_platform_s_own_users_are_never_a_difference():
    assert compare({}, {"sd_bridge": FOUND, "sd_admin": FOUND}, {"sd_bridge", "sd_admin"}) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"client_id": "sd_T-2"}, "sd_T-2 instead of sd_T-1"),
        ({"client_id": None}, "any client"),
        ({"enabled": False}, "refused and has to be let in"),
        (
            {"publish": FOUND.publish | {"dairy/HILL/temperature/T-2/data"}},
            "publish to dairy/HILL/temperature/T-2/data",
        ),
        ({"publish": frozenset({f"{TOPIC}/data"})}, f"may not publish to {TOPIC}/status"),
        ({"subscribe": FOUND.subscribe | {"dairy/#"}}, "subscribe to dairy/#, and must not"),
        ({"subscribe": frozenset()}, f"may not subscribe to {TOPIC}/commands"),
        ({"password": PasswordHash.of("another")}, "not the one that was issued last"),
        ({"password": None}, "has no password"),
        ({"password": replace(PASSWORD, salt="another salt")}, "not the one that was issued last"),
        ({"others": ("it is a superuser",)}, "It is a superuser."),
    ],
)
def test_whatever_is_not_as_the_register_says_is_stale_and_named(change, said):
    (drift,) = differences(found=replace(FOUND, **change))
    assert drift.kind == "stale"
    (sentence,) = drift.details
    assert said in sentence


def test_where_the_broker_does_not_tell_its_passwords_they_are_not_compared():
    assert compare({"TE_T-1": WANTED}, {"TE_T-1": replace(FOUND, password=None)}) == []


def test_a_password_of_a_user_that_identifies_itself_by_certificate_is_a_difference():
    (drift,) = differences(wanted=replace(WANTED, password=None))
    assert "certificate" in drift.details[0]


def test_a_disabled_user_may_lack_rights_but_not_have_others_nor_be_let_in():
    disabled = replace(WANTED, enabled=False)
    refused = replace(FOUND, enabled=False)
    assert differences(disabled, refused) == []
    assert differences(disabled, replace(refused, publish=frozenset(), subscribe=frozenset())) == []
    assert differences(disabled, FOUND)[0].details == ("It is let in and has to be refused.",)
    assert "and must not" in differences(disabled, replace(refused, subscribe=frozenset({"#"})))[0].details[0]


def test_many_topics_are_counted_rather_than_listed():
    (drift,) = compare({}, {"dash": replace(FOUND, publish=frozenset(f"t/{n:02}" for n in range(MOST_TOPICS + 3)))})
    assert "t/04 and 3 more" in " ".join(drift.details)


def test_differences_come_in_the_order_of_their_names():
    assert [drift.username for drift in compare({"b": WANTED}, {"c": FOUND, "a": FOUND})] == ["a", "b", "c"]
