"""The course of a milking's flow: the curve that is kept of it, and what is read from that. Pure functions.

A curve has equal steps, of which each is the mean of what was read in it, and nothing where nothing was read: what was
not measured is no flow of 0.
"""

from math import ceil

#: Steps of a curve at most: more than a screen shows of it.
MOST_STEPS = 240

#: L/min under which milk is stripped rather than milked; it ends most automatic milkings. Not confirmed in a source.
LOW_FLOW = 0.5

#: A cluster that is kicked off: the flow falls from more than the first to less than the second (L/min), at least for
#: so many seconds, and comes back to more than the third. Not confirmed in a source.
KICK_OFF_FROM = 1.0
KICK_OFF_TO = 0.1
KICK_OFF_SECONDS = 5
KICK_OFF_BACK = 0.5


def make_curve(points, start, end, most=MOST_STEPS):
    """The flow from the start of a milking to its end.

    :param points: iterable of (datetime, L/min), in any order; what lies outside the milking, is None or negative, or
        tells a moment again, is left out
    :param start: datetime of the first drop
    :param end: datetime of the last
    :param most: steps at most
    :return: ``{"step_seconds": int, "flow_lpm": [L/min or None, ...]}``, the first step at `start`; None if nothing
        was read
    """
    flows = {moment: flow for moment, flow in points if flow is not None and flow >= 0 and start <= moment <= end}
    if not flows:
        return None
    seconds = max(1, ceil((end - start).total_seconds()))
    step = ceil(seconds / most)
    read = [[] for _step in range(ceil(seconds / step))]
    for moment, flow in flows.items():
        read[min(int((moment - start).total_seconds() // step), len(read) - 1)].append(flow)
    return {"step_seconds": step, "flow_lpm": [round(sum(each) / len(each), 3) if each else None for each in read]}


def features(curve, peak=0.0):
    """What a curve says of the milking.

    :param curve: of `make_curve`, or None
    :param peak: highest flow that the meter told, L/min; the curve's own where that is higher
    :return: dict with `time_to_peak_seconds` (to the first step that reaches 95 % of the peak, or the curve's highest),
        `low_flow_seconds` (under `LOW_FLOW` at the end) and `kick_off_count`, all 0 without a curve
    """
    if not curve:
        return {"time_to_peak_seconds": 0, "low_flow_seconds": 0, "kick_off_count": 0}
    step = curve["step_seconds"]
    known = [(number * step, flow) for number, flow in enumerate(curve["flow_lpm"]) if flow is not None]
    highest = max(flow for _seconds, flow in known)
    # The mean of a step may stay below the peak that was told in it.
    wanted = min(highest, 0.95 * max(peak or 0.0, highest))
    return {
        "time_to_peak_seconds": next(seconds for seconds, flow in known if flow >= wanted) if highest else 0,
        "low_flow_seconds": _low_flow_seconds(known, len(curve["flow_lpm"]) * step) if highest > LOW_FLOW else 0,
        "kick_off_count": _kick_off_count(known),
    }


def _low_flow_seconds(known, end):
    """Seconds from the last reading of a real flow, or rather the one after it, to the end."""
    last = max(number for number, (_seconds, flow) in enumerate(known) if flow >= LOW_FLOW)
    return end - known[last + 1][0] if last + 1 < len(known) else 0


def _kick_off_count(known):
    """How often the flow broke off and came back. A slow fall, as at the end of a milking, is none."""
    count, before, broken_at, may_be_one = 0, 0.0, None, False
    for seconds, flow in known:
        if flow < KICK_OFF_TO:
            if broken_at is None:
                broken_at, may_be_one = seconds, before > KICK_OFF_FROM
        elif flow > KICK_OFF_BACK:
            if may_be_one and seconds - broken_at >= KICK_OFF_SECONDS:
                count += 1
            broken_at, may_be_one = None, False
        before = flow
    return count
