"""Readings of a span of time as a line that can be drawn: no more points than asked for, with its gaps."""

from itertools import pairwise
from statistics import median

#: Without readings for this many times the usual distance of two points, the line is broken: a gap is to be seen.
GAP = 3


def curve(readings, since, until, points):
    """Thin readings out to a line.

    :param readings: list of (time, count, mean, least, most) in the order of time; a single reading is
        (time, 1, value, value, value); those without a value are left out
    :param since, until: naive UTC, the span that is shown
    :param points: about how many points there may be
    :return: list of (time, mean, least, most); (time, None, None, None) stands in each gap
    """
    width = (until - since) / points
    bins = {}
    for time, count, mean, least, most in readings:
        if mean is not None and count:
            bins.setdefault((time - since) // width, []).append((time, count, mean, least, most))
    return _with_gaps([_joined(entries) for _number, entries in sorted(bins.items())], width)


def _joined(entries):
    first, last = entries[0][0], entries[-1][0]
    total = sum(count for _time, count, *_values in entries)
    return (
        first + (last - first) / 2,
        sum(count * mean for _time, count, mean, _least, _most in entries) / total,
        min(least for *_rest, least, _most in entries),
        max(most for *_rest, most in entries),
    )


def _with_gaps(line, width):
    distances = [after[0] - before[0] for before, after in pairwise(line)]
    if not distances:
        return line
    longest = max(median(distances) * GAP, width * GAP)
    result = line[:1]
    for distance, point in zip(distances, line[1:], strict=True):
        if distance > longest:
            result.append((point[0] - distance / 2, None, None, None))
        result.append(point)
    return result
