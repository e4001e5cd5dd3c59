"""Simulated devices answer commands as real ones are to."""

from simulation.commands import CommandMemory

RESTART = {"command_id": "c-1", "command": "restart", "parameters": {}}


def statuses(answers):
    return [answer["status"] for answer in answers]


def test_what_a_device_knows_it_accepts_and_does():
    assert statuses(CommandMemory().answers(RESTART)) == ["accepted", "done"]


def test_told_again_it_says_again_what_became_of_it_and_does_it_no_second_time():
    memory = CommandMemory()
    first = memory.answers(RESTART)
    assert memory.answers(RESTART) == [first[-1]]
    assert statuses(memory.answers({**RESTART, "command_id": "c-2"})) == ["accepted", "done"]


def test_what_it_does_not_know_fails_with_a_reason():
    (answer,) = CommandMemory().answers({**RESTART, "command": "fly"})
    assert (answer["status"], answer["message"]) == ("failed", "this device does not know fly")
