"""Where a broker's users differ from what the register says they have to be."""

from dataclasses import dataclass

MOST_TOPICS = 5
"""How many topics a sentence names before it counts the rest."""


@dataclass(frozen=True)
class Drift:
    """One user that is not at the broker as it has to be.

    `kind` is `missing` (the broker does not know it), `stale` (it knows it otherwise) or `foreign` (nobody in the
    register is entitled to it). `details` are sentences on what is different; of a foreign user, on what it may do.
    """

    kind: str
    username: str
    details: tuple = ()


def compare(expected, found, ours=frozenset(), tells_passwords=False):
    """The differences, by user name.

    A user that has to be disabled and is not there at all is no difference: it is refused as it should be.

    :param expected: {username: BrokerUser} of the register
    :param found: {username: FoundUser} of the broker
    :param ours: user names of the platform itself, such as the bridge's, which are in no register
    :param tells_passwords: whether the broker tells its hashes, so that a user without one has none
    :return: list of `Drift`
    """
    drifts = []
    for username in sorted((expected.keys() | found.keys()) - set(ours)):
        wanted, present = expected.get(username), found.get(username)
        if wanted is None:
            drifts.append(Drift("foreign", username, _powers(present)))
        elif present is None:
            if wanted.enabled:
                drifts.append(Drift("missing", username))
        elif differences := _differences(wanted, present, tells_passwords):
            drifts.append(Drift("stale", username, differences))
    return drifts


def _differences(wanted, present, tells_passwords):
    sentences = []
    if present.client_id != wanted.access.client_id:
        sentences.append(f"It may connect as {present.client_id or 'any client'} instead of {wanted.access.client_id}.")
    if present.enabled != wanted.enabled:
        sentences.append(
            "It is let in and has to be refused." if present.enabled else "It is refused and has to be let in."
        )
    for verb, found, rights in (
        ("publish", present.publish, wanted.access.publish),
        ("subscribe", present.subscribe, wanted.access.subscribe),
    ):
        sentences += _topic_differences(verb, found, set(rights), complete=wanted.enabled)
    if tells_passwords:
        sentences += _password_difference(wanted.password, present.password)
        sentences += _previous_password_difference(wanted, present)
    return tuple(sentences + _others(present))


def _topic_differences(verb, found, wanted, complete):
    """:param complete: whether rights that lack are a difference; whoever is disabled needs none"""
    sentences = []
    if found - wanted:
        sentences.append(f"It may {verb} to {_topics(found - wanted)}, and must not.")
    if complete and wanted - found:
        sentences.append(f"It may not {verb} to {_topics(wanted - found)}.")
    return sentences


def _password_difference(wanted, present):
    if present == wanted:
        return []
    if present is None:
        return ["It has no password."]
    if wanted is None:
        return ["It has a password, though its device identifies itself by a certificate alone."]
    return ["Its password is not the one that was issued last."]


def _previous_password_difference(wanted, present):
    """One that is good no more, or was lost, lets nobody in who should stay out."""
    second = (present.previous_password, present.previous_until)
    if present.previous_password is None or second == (wanted.previous_password, wanted.previous_until):
        return []
    return ["A second password is good that was not issued, or is good for longer than it was to be."]


def _powers(present):
    sentences = ["It may connect." if present.enabled else "It is refused."]
    sentences += [
        f"It may {verb} to {_topics(topics)}."
        for verb, topics in (("publish", present.publish), ("subscribe", present.subscribe))
        if topics
    ]
    return tuple(sentences + _others(present))


def _others(present):
    return [f"{other[:1].upper()}{other[1:]}." for other in present.others]


def _topics(topics):
    named = sorted(topics)[:MOST_TOPICS]
    rest = len(topics) - len(named)
    return ", ".join(named) + (f" and {rest} more" if rest else "")
