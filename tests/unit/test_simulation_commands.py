"""Simulated devices answer commands as real ones are to."""

from datetime import datetime, timezone

from simulation.commands import REMEMBERED, CommandMemory

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


def test_what_has_expired_it_does_not_begin():
    command = {**RESTART, "expires_at": "2026-05-04T05:00:00Z"}
    early, late = (CommandMemory(lambda hour=hour: datetime(2026, 5, 4, hour, tzinfo=timezone.utc)) for hour in (4, 6))
    assert statuses(early.answers(command)) == ["accepted", "done"]
    assert statuses(late.answers(command)) == ["failed"]


def test_firmware_takes_longer_and_it_says_later_how_it_ended():
    memory = CommandMemory()
    update = {**RESTART, "command": "update_firmware"}
    assert statuses(memory.answers(update)) == ["accepted"]
    memory.say(update, "progress", progress=50)
    assert statuses(memory.answers(update)) == ["progress"], "told again, it does not begin again"
    memory.say(update, "done")
    assert statuses(memory.answers(update)) == ["done"]


def test_a_device_that_runs_for_weeks_forgets_what_it_was_told_long_ago():
    memory = CommandMemory()
    commands = [{**RESTART, "command_id": str(number)} for number in range(REMEMBERED + 1)]
    for command in commands:
        memory.answers(command)
    assert commands[0] not in memory
    assert all(command in memory for command in commands[1:])
