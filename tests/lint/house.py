#!/usr/bin/python3
"""The rules of the house that a compiler does not know (core/README.md). Prints each breach, exits 1 where there is one."""
import hashlib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ORDER = ["base", "flow", "io", "run"]

# A library's header is included by the files that stand for it, and by no others.
OWNERS = {
    r"librdkafka/": r"core/io/(kafka|mock_broker)",
    r"sqlite3\.h": r"core/io/sqlite",
    r"mysql\.h|mysqld_error\.h|errmsg\.h": r"core/io/mysql",
    r"archive": r"core/io/file_read",
    r"curl/": r"core/io/fetch",
    r"editline/": r"core/io/prompt",
    r"event2/http": r"core/io/http|core/run/control",
    r"simdjson": r"core/flow/json\.cc",
    r"cctz/": r"core/base/zone\.cc",
    r"lua\.h|lauxlib\.h|lualib\.h": r"core/flow/script|core/run/job",
    r"sys/socket\.h|netinet/": r"core/(io|run)/",
}
LINES_MOST = 450

# What others have written is as they published it (core/run/uplot.sh): sha256 of each file.
BROUGHT = {
    "core/run/page/uplot/LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
    "core/run/page/uplot/uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "core/run/page/uplot/uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}

breaches = []


def breach(path, line, text):
    breaches.append(f"{path.relative_to(ROOT)}:{line}: {text}")


def check_includes(path, number, line):
    ours = re.match(r'#include "([a-z]+)/', line)
    folder = path.parent.name
    if ours and folder in ORDER:
        if ours.group(1) not in ORDER[: ORDER.index(folder) + 1]:
            breach(path, number, f"{folder}/ includes {ours.group(1)}/: a file includes its own folder and those to its left")
    theirs = re.match(r"#include <(.+)>", line)
    if theirs:
        for header, owner in OWNERS.items():
            if re.match(header, theirs.group(1)) and not re.match(owner, str(path.relative_to(ROOT))):
                breach(path, number, f"<{theirs.group(1)}> belongs to {owner}")


def check_source(path):
    lines = path.read_text().splitlines()
    if len(lines) > LINES_MOST:
        breach(path, len(lines), f"more than {LINES_MOST} lines: two ideas in one file?")
    for number, line in enumerate(lines, 1):
        check_includes(path, number, line)
        if re.search(r"(?<![\w_])exit\(", line) and path.name not in ("main.c", "child.c"):
            breach(path, number, "exit() is main.c's")
        if path.parent.name == "flow" and re.search(r"(?<![\w_>.])(time|gettimeofday|clock_gettime|clock_wall_ms|clock_mono_ms|socket|fopen)\(", line):
            breach(path, number, "the flow touches no clock, file or socket: it is told")


def check_flow_is_pure():
    for path in sorted((ROOT / "core").glob("*/*")):
        if path.suffix in (".c", ".h", ".cc"):
            check_source(path)
    check_source(ROOT / "core/main.c")


def check_words():
    """Leftovers: what nobody would want to read in a release."""
    files = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True).stdout.split("\n")
    for name in files:
        path = ROOT / name
        if not name or name == "tests/lint/house.py" or path.suffix not in (".c", ".h", ".cc", ".lua", ".py", ".sh", ".md"):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                breach(path, number, "unfinished: " + line.strip()[:60])


def check_brought():
    for name, expected in BROUGHT.items():
        path = ROOT / name
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            breach(path, 1, "is not the file that was published")


check_flow_is_pure()
check_brought()
check_words()
print("\n".join(breaches) or "the house is in order")
sys.exit(1 if breaches else 0)
