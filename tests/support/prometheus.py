"""Prometheus' text format, read as strictly as Prometheus reads it."""

import re
from dataclasses import dataclass, field

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
COMMENT = re.compile(rf"# (HELP|TYPE) ({NAME}) (.+)")


@dataclass
class Family:
    type: str = "untyped"
    help: str = ""
    samples: dict = field(default_factory=dict)  # (("label", "value"), ...) -> number; of a histogram its buckets
    sum: float | None = None  # of a histogram, which has no labels of its own
    count: float | None = None


def parse(text):
    """{name: Family}; ValueError where Prometheus would refuse it."""
    families, closed, current = {}, set(), None
    if text and not text.endswith("\n"):
        raise ValueError("the last line has no end")
    for line in text.splitlines():
        comment, sample = COMMENT.fullmatch(line), SAMPLE.fullmatch(line)
        if not comment and not sample:
            raise ValueError(f"neither comment nor sample: {line!r}")
        name = comment[2] if comment else sample[1]
        suffix = re.fullmatch(rf"{current}_(bucket|sum|count)", name) if current and families[current].type == "histogram" else None
        if suffix:
            name = current
        if name != current:
            if name in closed:
                raise ValueError(f"{name} stands in two places")
            closed.add(name)
            current = name
        family = families.setdefault(name, Family())
        if comment:
            if family.samples:
                raise ValueError(f"{comment[1]} of {name} comes after its samples")
            setattr(family, comment[1].lower(), comment[3])
            continue
        labels = _labels(sample[2] or "")
        if family.type == "histogram":
            if not suffix or (suffix[1] == "bucket") != ("le" in dict(labels)):
                raise ValueError(f"neither bucket, sum nor count: {line!r}")
            if suffix[1] != "bucket":
                setattr(family, suffix[1], float(sample[3]))
                continue
        if labels in family.samples:
            raise ValueError(f"twice: {line!r}")
        family.samples[labels] = float(sample[3])
    for name, family in families.items():
        if family.type == "histogram":
            _check_histogram(name, family)
    return families


def _check_histogram(name, family):
    """Its buckets ascend, and the last one is all there are."""
    buckets = [(float(dict(labels)["le"].replace("+Inf", "inf")), value) for labels, value in family.samples.items()]
    if buckets != sorted(buckets) or [value for _, value in buckets] != sorted(value for _, value in buckets):
        raise ValueError(f"the buckets of {name} do not ascend")
    if not buckets or buckets[-1] != (float("inf"), family.count) or family.sum is None:
        raise ValueError(f"{name} has no +Inf that is its count, or no sum")


def _labels(text):
    pairs, at = [], 0
    while at < len(text):
        found = LABEL.match(text, at)
        if not found:
            raise ValueError(f"labels: {text!r}")
        pairs.append((found[1], re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], found[2])))
        at = found.end()
    return tuple(sorted(pairs))
