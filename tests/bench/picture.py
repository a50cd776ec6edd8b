#!/usr/bin/python3
"""The bars of a benchmark's results, as an SVG: for each job what each program got through in a second, and what it cost.

    picture.py results.jsonl bench.svg

Of each job and program those runs count that came last: from its last first round on. Bars are medians; who did the same work stands together.
"""

import json
import statistics
import sys
from html import escape
from pathlib import Path

WIDTH, MARGIN, NAME, GAP = 860, 16, 150, 24
BAR, ROW, TITLE, HEAD = 14, 22, 30, 44
PANEL = (WIDTH - 2 * MARGIN - NAME - GAP) // 2
VALUE = 78  # for the number behind the longest bar
OURS, OTHERS = "#2563a8", "#b4b9c1"

PANELS = (
    ("messages a second (longer is better)", lambda run: run["messages"] / (run["seconds"] - run["start_seconds"]), "{:,.0f}"),
    ("CPU seconds a million (shorter is better)", lambda run: run["cpu_seconds"] * 1e6 / run["messages"], "{:,.2f}"),
)


def read(lines):
    """{job: {program: [runs]}} of the last runs, in the order in which they stand; lines of other measurements have no round."""
    jobs = {}
    for line in lines:
        run = json.loads(line)
        if "round" not in run:
            continue
        job = run["job"] + (", messages with their schema" if run.get("schemas") else "")
        programs = jobs.setdefault(job, {})
        if run["round"] == 1:
            programs[run["program"]] = []
        programs.setdefault(run["program"], []).append(run)
    return jobs


def text(x, y, words, size=12, anchor="start", weight="normal", fill="#24292f"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}">{escape(words)}</text>')


def bars(x, y, programs, measure, form):
    """One panel of a job: a bar for each program, the longest as long as the panel."""
    medians = {program: statistics.median(map(measure, runs)) for program, runs in programs.items()}
    most = max(medians.values())
    for program, median in medians.items():
        length = max(median / most * (PANEL - VALUE), 1)
        yield f'<rect x="{x}" y="{y:.0f}" width="{length:.1f}" height="{BAR}" rx="2" fill="{OURS if program.startswith("streamlua") else OTHERS}"/>'
        yield text(x + length + 6, y + BAR - 3, form.format(median))
        y += ROW


def draw(jobs):
    """The whole picture."""
    parts, y = [], MARGIN + 12
    left = MARGIN + NAME
    for number, (title, _, _) in enumerate(PANELS):
        parts.append(text(left + number * (PANEL + GAP), y, title, weight="bold"))
    y += HEAD - MARGIN
    for job, programs in jobs.items():
        runs = [run for of in programs.values() for run in of]
        rounds = max(map(len, programs.values()))
        parts.append(text(MARGIN, y, job, 13, weight="bold"))
        parts.append(text(WIDTH - MARGIN, y, f"{runs[0]['messages']:,} messages, median of {rounds}, {runs[0]['cpus']} processors, {runs[-1]['at'][:10]}",
                          11, "end", fill="#6e7781"))
        y += 10
        for row, program in enumerate(programs):
            parts.append(text(left - 10, y + row * ROW + BAR - 3, program, anchor="end"))
        for number, (_, measure, form) in enumerate(PANELS):
            parts += bars(left + number * (PANEL + GAP), y, programs, measure, form)
        y += len(programs) * ROW + TITLE
    height = y - TITLE + MARGIN
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
                      'font-family="system-ui, sans-serif">', f'<rect width="{WIDTH}" height="{height}" fill="white"/>', *parts, "</svg>", ""])


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    results, picture = map(Path, sys.argv[1:])
    jobs = read(results.read_text().splitlines()) if results.exists() else {}
    if not jobs:
        raise SystemExit(f"{results} holds no run: make bench first")
    picture.write_text(draw(jobs))
    print(f"{picture}: {', '.join(jobs)}")


if __name__ == "__main__":
    main()
