"""lua/VALUES.md: what messages hold, what Lua sees and what is written, made of what the tests see and read back to be compared with it."""

import re
from pathlib import Path

PATH = Path(__file__).resolve().parents[2] / "lua/VALUES.md"
LONGEST = 44

HEAD = """# Values

What a value of each MySQL type looks like on its way: in the message, in a script (as Lua's source would have it), and in the target's column of the
same type. `tests/e2e/test_values.py` holds this page to what a real database shows (`WRITE_VALUES=1` writes it), for the values below and for those at
the edges of each type: the least, the largest, zero, empty, NULL, zero dates, negative times and times beyond 24 hours, NUL bytes, emoji. They arrive
equal, copied and through a function that returns what it is given, but for what the producers themselves lose: "Lost by" says what that is.

NULL is nil in Lua, a column that the message does not have is nil too (`row:has "c"` tells them apart), and an empty text is `''`: three things.
DATETIME, TIMESTAMP and TIME of other precisions are as their neighbours; those up to 3 count milliseconds where those above count microseconds.

"""


def show(value):
    """A value of the source or the target as SQL has it."""
    if value is None:
        return "NULL"
    text = "x'" + value.hex().upper() + "'" if isinstance(value, bytes) else value
    return cut(text)


def cut(text):
    return text if len(text) <= LONGEST else text[:LONGEST - 1] + "…"


def documented(type_):
    return type_.kind not in ("datetime", "timestamp", "time") or type_.size in (0, 3, 6)


def _code(text):
    fence = "``" if "`" in text else "`"
    return fence + text.replace("|", "\\|").replace("\n", " ") + fence


def _uncode(text):
    return text.strip("`").replace("\\|", "|")


def write(modes, seen):
    """modes: label -> (its line in the legend, its family); seen: label -> type -> ((arrives, sees, written), losses)."""
    lines = [HEAD, "| name | messages | format |\n| --- | --- | --- |\n"]
    lines += [f"| {label} | {text} |\n" for label, (text, _) in modes.items()]
    types = list(dict.fromkeys(type_ for by_type in seen.values() for type_ in by_type))
    sections = {}
    for type_ in types:
        sections.setdefault(_section(modes, {label: by_type[type_] for label, by_type in seen.items() if type_ in by_type}), []).append(type_.shown)
    for body, names in sections.items():
        lines.append(f"\n## {', '.join(names)}\n{body}")
    PATH.write_text("".join(lines))


def _section(modes, cells):
    rows, losses = {}, {}
    for label, (row, why) in cells.items():
        rows.setdefault(row, []).append(label)
        for loss in why:
            losses.setdefault(loss, []).append(label)
    body = "| from | arrives | Lua sees | written |\n| --- | --- | --- | --- |\n"
    body += "".join(f"| {_labels(modes, labels)} | {' | '.join(map(_code, row))} |\n" for row, labels in rows.items())
    return body + "".join(f"\nLost by {_labels(modes, labels)}: {loss}.\n" for loss, labels in losses.items())


def _families(modes):
    families = {"all": list(modes)}
    for label, (_, family) in modes.items():
        families.setdefault(f"all of {family}", []).append(label)
    return {name: labels for name, labels in families.items() if len(labels) > 1}


def _labels(modes, labels):
    for name, members in _families(modes).items():
        if set(members) <= set(labels):
            labels = [name, *(label for label in labels if label not in members)]
    return "; ".join(labels)


def read(modes):
    """(type's name, label) -> ((arrives, sees, written), losses)."""
    found, names = {}, []
    families = _families(modes)

    def expand(text):
        return [label for one in text.split("; ") for label in families.get(one, [one])]

    for line in PATH.read_text().splitlines():
        if line.startswith("## "):
            names = re.split(r", (?=[A-Z])", line[3:])
        elif names and line.startswith("| ") and not line.startswith(("| from", "| ---")):
            cells = [cell.strip(" ") for cell in re.split(r"(?<!\\) \| ", line[2:-2])]
            for label in expand(cells[0]):
                for name in names:
                    found[name, label] = (tuple(map(_uncode, cells[1:])), [])
        elif names and line.startswith("Lost by "):
            labels, _, loss = line[8:-1].partition(": ")
            for label in expand(labels):
                for name in names:
                    found[name, label][1].append(loss)
    return {place: (cells, sorted(losses)) for place, (cells, losses) in found.items()}
