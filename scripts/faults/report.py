"""What a run says at its end: tables for people, and one line of JSON for comparison over time."""

import json


def report(result: dict) -> None:
    """Print the tables and, as the last line, the JSON; ``result`` as `__main__` puts it together."""
    faults = [{"fault": name, **_flat(figures)} for name, figures in result["faults"].items()]
    losses = [{name: value for name, value in loss.items() if name != "complaints"} for loss in result["broker_loss"]]
    pressure = [{name: value for name, value in result["back_pressure"].items() if name != "complaints"}]
    for title, rows in (
        ("Faults", faults),
        ("Mosquitto killed: what it had acknowledged and lost itself, by how it saves", losses),
        ("Database stopped", pressure if result["back_pressure"] else []),
    ):
        if rows:
            print(f"\n{title}")
            _print_table(rows)
    for name, reason in result["not_run"].items():
        print(f"not run: {name}: {reason}")
    print(json.dumps(result), flush=True)


def _flat(figures: dict) -> dict:
    recovery = figures["recovery_s"] or {"median": "", "most": ""}
    rest = {name: value for name, value in figures.items() if name not in ("recovery_s", "complaints")}
    return rest | {"median_s": recovery["median"], "most_s": recovery["most"]}


def _print_table(rows: list[dict]) -> None:
    names = list(rows[0])
    widths = [max(len(name), *(len(str(row[name])) for row in rows)) for name in names]
    for cells in (names, *([str(row[name]) for name in names] for row in rows)):
        first, *others = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        print(f"  {first.strip():<{widths[0]}}", *others, sep="  ")
