"""/metrics as Prometheus reads it, and what is made of it: the alerts, the dashboard."""

import json
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request

import pytest

from support import prometheus, wait_for
from support.debezium import Record, Table
from support.files import sqlite
from support.job import ROOT, kafka_source, sqlite_sink

OPERATIONS = ROOT / "examples/operations"
NAME = re.compile(r"\bstreamlua_[a-z_]+")


@pytest.fixture
def metrics(kafka, topic, job):
    """The text of /metrics of a job that has written 30 rows, filtered one and made a dead letter of one."""
    sqlite(job.folder / "out.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    t = Table("t", topic=topic())
    kafka.produce([t.insert({"id": i, "v": "no" if i == 31 else "x"}) for i in [*range(30), 31]] + [Record(t.topic, b"k", b"no json", 0)])
    job.write(t="return { filter = function(row) return row.v ~= 'no' end }").job(kafka_source(kafka, t.topic), sqlite_sink("out.db")).start()
    job.wait_for(lambda: job.metrics()["streamlua_written_total"] == 30 and job.metrics()["streamlua_dead_letters_total"] == 1, "the rows")
    text = job.http("/metrics")[1]
    assert job.stop().code == 0
    return text


def test_they_follow_prometheus_conventions(metrics):
    families = prometheus.parse(metrics)
    for name, family in families.items():
        assert name.startswith("streamlua_") and family.help.endswith("."), name
        assert family.type in ("counter", "gauge", "histogram"), name
        assert (family.type == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ms|milliseconds|kb|mb|minutes|percent)(_|$)", name), f"{name} is in no base unit"
    durations, rows = families["streamlua_commit_duration_seconds"], families["streamlua_transaction_rows"]
    transactions = families["streamlua_transactions_total"].samples[()]
    assert 0 < durations.count == rows.count <= transactions
    assert rows.sum == 31  # a dead letter is one
    assert 0 <= durations.sum < 60 * transactions
    assert rows.samples[(("le", "2000"),)] == rows.count


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (it comes with prometheus)")
def test_promtool_has_nothing_to_say(metrics):
    checked = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    rules = subprocess.run(["promtool", "check", "rules", OPERATIONS / "alerts.yml"], capture_output=True, text=True)
    assert rules.returncode == 0 and re.search(r"\d+ rules found", rules.stdout), rules


@pytest.mark.parametrize("file", ["alerts.yml", "dashboard.json"])
def test_what_watches_names_metrics_that_are_there(metrics, file):
    families = prometheus.parse(metrics)
    there = set(families) | {f"{name}_{suffix}" for name, family in families.items() if family.type == "histogram" for suffix in ("bucket", "sum", "count")}
    used = set(NAME.findall((OPERATIONS / file).read_text()))
    assert used - there == set()
    assert len(used) > 8


def test_the_dashboard_has_no_panel_over_another():
    dashboard = json.loads((OPERATIONS / "dashboard.json").read_text())
    taken = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24 and all(target["expr"] for target in panel["targets"]), panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_a_histogram_that_is_none_is_refused():
    whole = "# TYPE h histogram\n" 'h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 3\nh_sum 4\nh_count 3\n'
    assert prometheus.parse(whole)["h"].count == 3
    for text in (whole.replace('le="1"} 2', 'le="1"} 4'), whole.replace("h_count 3", "h_count 2"), whole.replace("h_sum 4\n", ""),
                 whole.replace('h_bucket{le="+Inf"} 3\n', ""), whole.replace("h_sum", "h_total")):
        with pytest.raises(ValueError):
            prometheus.parse(text)


@pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed")
def test_a_real_prometheus_scrapes_them_and_loads_the_alerts(kafka, topic, job, tmp_path):
    sqlite(job.folder / "out.db", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    t = Table("t", topic=topic())
    kafka.produce([t.insert({"id": i}) for i in range(30)])
    job.write(t="return {}").job(kafka_source(kafka, t.topic), sqlite_sink("out.db")).start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "prometheus.yml").write_text(f"""global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: ["{OPERATIONS}/alerts.yml"]
scrape_configs: [{{ job_name: streamlua, static_configs: [{{ targets: ["127.0.0.1:{job.port}"] }}] }}]
""")
    server = subprocess.Popen(["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
                               f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def asked(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=10) as answer:
                return json.load(answer)["data"]
        except OSError:
            return {}

    def value(query):
        found = asked("query?query=" + urllib.parse.quote(query)).get("result")
        return float(found[0]["value"][1]) if found else None

    try:
        wait_for(lambda: value("streamlua_written_total") == 30, "the rows, as Prometheus has them")
        target = asked("targets")["activeTargets"][0]
        assert (target["health"], target["lastError"]) == ("up", "")
        assert value("streamlua_ready") == 1
        assert value("histogram_quantile(0.9, streamlua_commit_duration_seconds_bucket)") > 0
        rules = [rule for group in asked("rules")["groups"] for rule in group["rules"]]
        assert len(rules) > 5
        wait_for(lambda: {rule["health"] for group in asked("rules")["groups"] for rule in group["rules"]} == {"ok"}, "the alerts, looked at")
    finally:
        server.terminate()
        server.wait()
    assert job.stop().code == 0
