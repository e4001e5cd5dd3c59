"""What a benchmark says at its end: a table for people, and one line of JSON for comparison over time."""

import json
import statistics
from collections.abc import Iterable


def median_of(runs: list[dict]) -> dict:
    """The median of each figure over several runs; what is no number must be the same in all of them."""
    return {name: _median([run[name] for run in runs]) for name in runs[0]}


def percentiles(values: list[float], *wanted: int) -> dict[str, float]:
    """{"p50": ..., "p95": ...} of some measurements, by the nearest rank.

    :param wanted: of 1 to 100
    :raises ValueError: where there are none
    """
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return {f"p{part}": ordered[-(-part * len(ordered) // 100) - 1] for part in wanted}


def report(result: dict) -> None:
    """Print the table and, as the last line, the JSON."""
    rows = [(name, _shown(value)) for name, value in result.items()]
    width = max(len(name) for name, _value in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value:>16}")
    print(json.dumps(result), flush=True)


def summary(machine: dict[str, str], results: list[dict]) -> str:
    """All of it once more, in Markdown: the machine, a table of the figures, and the lines of JSON."""
    lines = ["", *_table("", "", machine.items()), "", *_table("Benchmark", "Figures", map(_cells, results)), ""]
    return "\n".join([*lines, "```json", *map(json.dumps, results), "```"])


def _table(left: str, right: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    return [f"| {one} | {other} |" for one, other in [(left, right), ("---", "---"), *rows]]


def _cells(result: dict) -> tuple[str, str]:
    figures = [f"{name} {_shown(value)}" for name, value in result.items() if name != "bench"]
    return result["bench"], "; ".join(figures)


def _median(values: list) -> object:
    if isinstance(values[0], dict):
        return {name: _median([value[name] for value in values]) for name in values[0]}
    if isinstance(values[0], int | float):
        median = statistics.median(values)
        return round(median, 3) if isinstance(median, float) else median
    if len(set(values)) > 1:
        raise ValueError(f"{values} have no median")
    return values[0]


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    if value is None:
        return "not available"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
