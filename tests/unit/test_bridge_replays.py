"""A dead letter that a user released goes through the pipeline once, whenever the writer is done with it."""

from smart_dairy_iot.bridge.replays import Replays


class Letters:
    """The table, as a connection: {id: state}.

    :param meanwhile: called after a SELECT has seen what it sees
    """

    def __init__(self, *ids):
        self.states = dict.fromkeys(ids, "replaying")
        self.meanwhile = lambda: None

    def cursor(self):
        return self

    __enter__ = cursor

    def __exit__(self, *exc_info):
        return False

    def execute(self, _statement):
        self._rows = [(key, "topic", b"{}") for key, state in self.states.items() if state == "replaying"]
        self.meanwhile()

    def fetchall(self):
        return self._rows


def replay(letters):
    """(replays, the messages it has put)"""
    put = []
    replays = Replays(put.append)
    replays.submit(letters)
    return replays, put


def test_what_is_under_way_is_not_put_a_second_time_and_what_is_released_again_later_is():
    letters = Letters(1, 2)
    replays, put = replay(letters)
    replays.submit(letters)
    assert [message.dead_letter_id for message in put] == [1, 2]
    # It was refused again, and then released again.
    put[0].future.set_result("dead_letter")
    replays.submit(letters)
    assert [message.dead_letter_id for message in put] == [1, 2, 1]


def test_what_is_abandoned_is_put_again():
    letters = Letters(1)
    replays, put = replay(letters)
    put[0].future.cancel()
    replays.submit(letters)
    assert [message.dead_letter_id for message in put] == [1, 1]


def test_a_letter_that_is_settled_while_they_are_read_is_not_put_a_second_time():
    letters = Letters(1)
    replays, put = replay(letters)

    def settle():
        letters.states[1] = "replayed"
        put[0].future.set_result("stored")

    letters.meanwhile = settle
    replays.submit(letters)
    letters.meanwhile = lambda: None
    replays.submit(letters)
    assert [message.dead_letter_id for message in put] == [1]
