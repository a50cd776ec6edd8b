"""The results as a Markdown table: medians, and how they stand to the yardsticks."""

import statistics

YARDSTICKS = ("reference", "flink", "debezium")  # what others are divided by, where they ran
MEASURES = ("rate", "seconds", "start_seconds", "cpu_a_million", "memory_mb")

# What streamlua is designed for, against the reference's throughput and for each million of messages.
RATIO_LEAST, CPU_SECONDS_MOST, MEMORY_MB_MOST = 0.7, 5, 150


def table(results):
    yardsticks = [name for name in YARDSTICKS if any(r.program == name for r in results)]
    peers = [name for name in yardsticks if name != "reference"]
    columns = ["messages/s", *(f"of {name}" for name in yardsticks), "seconds", *(["of these, start"] if peers else []),
               "CPU seconds a million", *(f"of {name}" for name in yardsticks if peers), "peak MB"]
    lines = ["| job | program | " + " | ".join(columns) + " |", "| --- | --- |" + " ---: |" * len(columns)]
    for job in dict.fromkeys(r.job for r in results):
        medians = {program: _median([r for r in results if (r.job, r.program) == (job, program)])
                   for program in dict.fromkeys(r.program for r in results if r.job == job)}
        for program, median in medians.items():
            cells = [f"{median['rate']:,.0f}", *_ratios(medians, program, "rate", yardsticks), f"{median['seconds']:.2f}"]
            if peers:
                cells.append(f"{median['start_seconds']:.2f}")
            cells.append(f"{median['cpu_a_million']:.2f}")
            if peers:
                cells += _ratios(medians, program, "cpu_a_million", yardsticks)
            lines.append(f"| {job} | {program} | " + " | ".join([*cells, f"{median['memory_mb']:.0f}"]) + " |")
    if not peers and yardsticks:
        lines.append(f"| | designed for | | ≥ {RATIO_LEAST} | | ≤ {CPU_SECONDS_MOST} | ≤ {MEMORY_MB_MOST} |")
    return "\n".join(lines)


def _median(runs):
    return {name: statistics.median(getattr(run, name) for run in runs) for name in MEASURES}


def _ratios(medians, program, measure, yardsticks):
    return [f"{medians[program][measure] / medians[name][measure]:.2f}" if name in medians else "" for name in yardsticks]
