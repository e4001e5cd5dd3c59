"""Whether what a meter shows is still the milking that was read before.

Decided by the meter's clock and yield. A tag alone ends no milking: readers catch a neighbour's tag, and a 64-bit code
that is read while it changes is nobody's. Times are seconds, yields litres.
"""

#: A clock of whole seconds, and the time a request takes: less than this backwards is not backwards.
CLOCK_TOLERANCE = 2.0
#: A meter counts pulses of up to 0.1 L, and what is read back from the database is rounded.
YIELD_TOLERANCE = 0.1
#: Two readings further apart than this have a pause between them, in which anything may have happened.
PAUSE = 30.0
#: After a longer pause nothing is the same milking any more: few cows take half an hour.
LONGEST_PAUSE = 45 * 60.0
#: The same without a clock, where the tag is the same before and after, and where no tag is known.
_LONGEST_PAUSE_BY_TAG, _LONGEST_PAUSE_BY_YIELD = 20 * 60.0, 5 * 60.0
#: How far a clock may have fallen behind the time that has passed.
_CLOCK_BEHIND = 30.0
#: The same where another tag speaks against it.
_CLOCK_OFF_WITH_ANOTHER_TAG = 10.0
#: A clock that has stood still for longer is none.
_CLOCK_STANDS = 5.0
#: A register that shows the last milking again shows its very yield and clock.
_SAME_YIELD, _SAME_CLOCK = 0.01, 1.0


def goes_on(before, tag, values, milking, now):
    """Whether `values` are of the milking in which `before` was read.

    :param before: its last `Reading`
    :param tag: its animal's tag, if one is known
    :param values: dict quantity -> value, read just now
    :param milking: whether the meter says that a cow is being milked; if not, its clock has stopped
    :param now: aware UTC
    """
    elapsed = (now - before.timestamp).total_seconds()
    if elapsed > LONGEST_PAUSE or _differ(before.values.get("session_number"), values.get("session_number")):
        return False
    has_other_tag = _differ(tag, values.get("rfid_tag"))
    clocks = before.values.get("duration_seconds"), values.get("duration_seconds")
    if None in clocks or (milking and clocks[0] == clocks[1] and elapsed > _CLOCK_STANDS):
        return _goes_on_by_yield(before.values, values, elapsed, has_other_tag, bool(tag and values.get("rfid_tag")))
    return _goes_on_by_clock(before.values, values, elapsed, has_other_tag, milking)


def _goes_on_by_clock(before, values, elapsed, has_other_tag, milking):
    seconds, advance = values["duration_seconds"], values["duration_seconds"] - before["duration_seconds"]
    if advance < -CLOCK_TOLERANCE:
        return False
    if has_other_tag and seconds + CLOCK_TOLERANCE < elapsed:
        return False  # this milking began after the last reading: cows were swapped without a gap
    ahead = advance - elapsed
    behind = -ahead if milking else 0.0  # at the end of a milking the clock stopped, whenever that was
    is_steady = ahead <= _CLOCK_OFF_WITH_ANOTHER_TAG and behind <= _CLOCK_OFF_WITH_ANOTHER_TAG
    if has_other_tag and not is_steady:
        return False
    if behind > _CLOCK_BEHIND:
        return False
    if _is_less(values, before):
        # A steady clock speaks for a yield that was misread or newly calibrated, not for one that began from nothing.
        return is_steady and advance > 0 and not has_other_tag and 2 * values["yield_liters"] > before["yield_liters"]
    return True


def _goes_on_by_yield(before, values, elapsed, has_other_tag, has_both_tags):
    if _is_less(values, before):
        return False
    if elapsed <= PAUSE:
        return True
    if has_other_tag:
        return False
    return elapsed <= (_LONGEST_PAUSE_BY_TAG if has_both_tags else _LONGEST_PAUSE_BY_YIELD)


def shows(former, values):
    """Whether registers show a milking that is over, yield and clock as they were at its end.

    A milking of no milk leaves nothing to know it by.

    :param former: the last `Reading` of that milking
    """
    was = former.values
    clocks = was.get("duration_seconds"), values.get("duration_seconds")
    return (
        not _differ(was.get("session_number"), values.get("session_number"))
        and was["yield_liters"] > YIELD_TOLERANCE
        and abs(values["yield_liters"] - was["yield_liters"]) <= _SAME_YIELD
        and (None in clocks or abs(clocks[0] - clocks[1]) <= _SAME_CLOCK)
    )


def grows_from(former, tag, values):
    """Whether a milking that was over is being milked on: from its very yield and clock, and not with another tag."""
    was = former.values
    clocks = was.get("duration_seconds"), values.get("duration_seconds")
    return (
        not _differ(tag, values.get("rfid_tag"))
        and not _differ(was.get("session_number"), values.get("session_number"))
        and values["yield_liters"] >= was["yield_liters"] - _SAME_YIELD
        and (None in clocks or clocks[1] >= clocks[0])
    )


def _is_less(values, before):
    return values["yield_liters"] < before["yield_liters"] - YIELD_TOLERANCE


def _differ(one, other):
    """Whether both are known, and not the same."""
    return one is not None and other is not None and one != other
