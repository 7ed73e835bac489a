"""Makes Markdown tables of measurements:  bench_table.py RESULTS.tsv

A line is model, set, program, quantity and value. Each model and set is a table with a row for each quantity and a column
for each program: the median, with the least and the most; and, beside a peer, the ratio of each other program's median to
the peer's. A program is a peer if it is not Pagoda.
"""
import statistics
import sys


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def cell(values):
    if not values:
        return "–"
    text = number(statistics.median(values))
    return text if len(values) == 1 else f"{text} ({number(min(values))}–{number(max(values))})"


def ratio(values, peers):
    if not values or not peers or statistics.median(peers) == 0:
        return "–"
    return f"{statistics.median(values) / statistics.median(peers):.2f}"


def tables(lines):
    """(model, set) → quantity → program → values, all in the order of their first line."""
    found = {}
    for line in lines:
        model, kind, program, quantity, value = line.rstrip("\n").split("\t")
        rows = found.setdefault((model, kind), {})
        rows.setdefault(quantity, {}).setdefault(program, []).append(float(value))
    return found


def markdown(lines):
    text = []
    for (model, kind), rows in tables(lines).items():
        programs = list(dict.fromkeys(program for row in rows.values() for program in row))
        peer = next((program for program in programs if not program.startswith("Pagoda")), None)
        own = [program for program in programs if program != peer] if peer else []
        head = [f"{model}, {kind}", *programs, *(f"{program} ÷ {peer}" for program in own)]
        text += ["", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        for quantity, row in rows.items():
            cells = [cell(row.get(program)) for program in programs]
            cells += [ratio(row.get(program), row.get(peer)) for program in own]
            text.append(f"| {quantity} | " + " | ".join(cells) + " |")
    return "\n".join(text)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        print(markdown(file))
