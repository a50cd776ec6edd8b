"""Several processes of one job under load, while everything around them breaks at random, from a seed. What the target holds is compared
with an independent model all the time, and with a log that grows by a line for each event, which shows an event that was written twice.

    make soak MINUTES=10 [SEED=7]
"""

import argparse
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import oracle, wait_for  # noqa: E402
from support.debezium import DECIMAL, Table  # noqa: E402
from support.job import Job, kafka_source, tidb_sink  # noqa: E402
from support.mysql_proxy import MysqlProxy  # noqa: E402
from support.servers import Kafka, MariaDB, Record  # noqa: E402
from support.workload import Workload  # noqa: E402

PARTITIONS = 8
CHANGES_PER_SECOND = 400
ROUND_SECONDS = 25  # between two comparisons of everything
RECOVERY_MOST_SECONDS = 60
SESSION_MS = 3000

SCHEMA = """
CREATE TABLE orders (id INT PRIMARY KEY, customer INT, amount DECIMAL(20,4), note VARCHAR(60));
CREATE TABLE log (n BIGINT AUTO_INCREMENT PRIMARY KEY, part INT NOT NULL, off BIGINT NOT NULL, op VARCHAR(10), version INT, KEY (part, off))"""

SCRIPT = """
local M = {}
function M.map(row, ctx)
  if row.note == "boom" then
    error("no such luck")
  end
  ctx:emit("log", { part = ctx.partition, off = ctx.offset, op = ctx.op, version = %d })
  return { id = row.id, customer = row.customer, amount = row.amount, note = row.note }
end
return M"""

# What the program itself must never say.
BAD_WORDS = ("BUG", "Assertion", "AddressSanitizer", "runtime error")


class Difference(AssertionError):
    pass


class Load(threading.Thread):
    """Produces until it is stopped; knows what it sent and how far each partition is. pause() returns when all is in the broker."""

    def __init__(self, kafka, topic, seed):
        super().__init__(name="load", daemon=True)
        self.dice = random.Random(seed)
        self.orders = Table("orders", topic=topic, types={"amount": DECIMAL(4)})
        self.workload = Workload(self.orders, self._row, partitions=PARTITIONS, seed=seed)
        self.producer = kafka.producer(message_timeout_ms=300_000)
        self.topic = topic
        self.poison = set()  # (partition, offset)
        self.lines = 0       # of the log that they write: one an event, two where the key changes within one
        self.sent = [0] * PARTITIONS  # offsets below are in the broker
        self.failure = None
        self._going, self._stopped, self._quiet = threading.Event(), threading.Event(), threading.Event()
        self._going.set()

    def _row(self, id, dice):
        return {"id": id, "customer": dice.randrange(50), "amount": Decimal(dice.randrange(-10**12, 10**12)).scaleb(-4),
                "note": dice.choice(["plain", None, "", "é 🐘", "it's \\ a \"quote\"", "`tick`; DROP TABLE orders", "x" * 60])}

    def _poison(self):
        partition = self.dice.randrange(PARTITIONS)
        row = {"id": 10**9 + self.dice.randrange(10**6), "customer": 1, "amount": Decimal(1), "note": self.dice.choice(["boom", "y" * 61])}
        value = self.dice.choice([b"{ broken", b"", None]) if self.dice.random() < 0.3 else Table("orders", topic=self.topic, types={"amount": DECIMAL(4)}).insert(row).value
        return Record(self.topic, b'{"id":1}', value or b"\xff", partition)

    def _send(self, record, poison):
        def delivered(error, message):
            if error:
                self.failure = error
                return
            self.sent[message.partition()] = message.offset() + 1
            if poison:
                self.poison.add((message.partition(), message.offset()))
        while True:
            try:
                self.producer.produce(record.topic, value=record.value, key=record.key, partition=record.partition, on_delivery=delivered)
                return
            except BufferError:
                self.producer.poll(0.1)

    def run(self):
        while not self._stopped.is_set():
            if not self._going.is_set():
                self.producer.flush(120)
                self._quiet.set()
                self._going.wait(1)
                continue
            before = len(self.orders.changes)
            for record in self.workload.changes(CHANGES_PER_SECOND // 20):
                self._send(record, False)
            for _, op, old, new in self.orders.changes[before:]:
                self.lines += 2 if op == "update" and old["id"] != new["id"] else 1
            if self.dice.random() < 0.1:
                self._send(self._poison(), True)
            self.producer.poll(0)
            self._stopped.wait(0.05)
        self.producer.flush(120)

    def pause(self):
        self._quiet.clear()
        self._going.clear()
        assert self._quiet.wait(180), "the broker does not take what is produced"
        assert not self.failure, self.failure

    def resume(self):
        self._going.set()

    def stop(self):
        self._stopped.set()
        self._going.set()
        self.join(180)


class Soak:
    def __init__(self, kafka, mariadb, folder, seed, say=print):
        self.kafka, self.mariadb, self.seed, self.say = kafka, mariadb, seed, say
        self.dice = random.Random(seed)
        self.database = mariadb.create_database(f"soak_{os.getpid()}")
        mariadb.execute(SCHEMA, database=self.database)
        self.topic = kafka.create_topic(f"soak_{os.getpid()}", PARTITIONS)
        self.proxy = MysqlProxy(mariadb.host, mariadb.port).start()
        self.load = Load(kafka, self.topic, seed)
        self.jobs = [Job(Path(folder) / name, f"soak_{os.getpid()}") for name in "abc"]
        self.workers = [2, 1, 1]
        self.version = 1
        self.survived, self.recovery, self.trouble = Counter(), defaultdict(list), []
        self.ending = threading.Lock()  # of two faults at a time one ends a process at most: what the other asked to stop is not killed
        self.rounds = 0
        self.begin = time.monotonic()

    # The jobs

    def write_scripts(self):
        for job in self.jobs:
            job.write(orders=SCRIPT % self.version)

    def start(self, job, wait=False):
        job.start("--workers", self.workers[self.jobs.index(job)], ready=wait)

    def running(self):
        return [job for job in self.jobs if job.process and job.process.poll() is None]

    # What goes wrong. Each returns when it is over; `for_a_while` is how long it lasts.

    def for_a_while(self, least=0.5, most=2.0):
        time.sleep(self.dice.uniform(least, most))

    def kill_worker(self):
        job = self.dice.choice(self.running())
        workers = job.workers()
        if workers:
            os.kill(self.dice.choice(workers), signal.SIGKILL)

    def kill_master(self):
        with self.ending:
            job = self.dice.choice(self.running())
            job.kill_master()
            job.kill()
            self.start(job)

    def kill_a_whole_process_for_a_while(self):
        with self.ending:
            job = self.dice.choice(self.running())
            job.kill()
            self.for_a_while()
            self.start(job)

    def leave_and_join(self):
        with self.ending:
            job = self.dice.choice(self.running())
            code = job.stop(90).code
            if code != 0:
                raise Difference(f"a job that was stopped ended with {code}:\n{job.log()[-3000:]}")
            self.for_a_while(0, 1)
            self.start(job)

    def freeze_worker(self):
        job = self.dice.choice(self.running())
        workers = job.workers()
        if not workers:
            return
        pid = self.dice.choice(workers)
        try:
            os.kill(pid, signal.SIGSTOP)
            self.for_a_while(1, SESSION_MS / 1000 + 2)
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def freeze_worker_with_work_waiting(self):
        """Once it wakes up it goes on with what it had, which is others' by then."""
        self.proxy.latency(0.5)
        time.sleep(1)
        try:
            self.freeze_worker()
        finally:
            self.proxy.latency(0)

    def freeze_a_whole_process(self):
        job = self.dice.choice(self.running())
        job.freeze()
        self.for_a_while(1, SESSION_MS / 1000 + 2)
        job.thaw()

    def kill_broker(self):
        self.kafka.kill()
        self.for_a_while(0, 1)
        self.kafka.start()

    def freeze_broker(self):
        self.kafka.freeze()
        self.for_a_while(1, 4)
        self.kafka.thaw()

    def kill_database(self):
        self.mariadb.kill()
        self.for_a_while(0, 1)
        self.mariadb.start()

    def stop_database(self):
        self.mariadb.stop()
        self.for_a_while(0, 1)
        self.mariadb.start()

    def freeze_database(self):
        self.mariadb.freeze()
        self.for_a_while(1, 4)
        self.mariadb.thaw()

    def cut_connections(self):
        what = self.dice.choice(["COMMIT", "INSERT INTO `orders`", "streamlua_progress"])
        how = self.dice.choice([self.proxy.cut_before, self.proxy.cut_request, self.proxy.cut_during, self.proxy.cut_after, self.proxy.cut_answer])
        how(what, times=self.dice.randrange(1, 6))
        self.for_a_while()

    def cut_and_leave_the_server_unaware(self):
        self.proxy.cut_during("COMMIT", times=2, linger=True)
        self.for_a_while()
        self.proxy.drop_lingering()

    def drop_connections(self):
        self.proxy.drop()

    def refuse_connections(self):
        self.proxy.refuse()
        self.proxy.drop()
        self.for_a_while()
        self.proxy.accept()

    def errors(self):
        code, state = self.dice.choice([(9007, "HY000"), (8028, "HY000"), (8022, "HY000"), (9003, "HY000"), (1105, "HY000"), (1205, "HY000"), (1213, "40001"), (2013, "HY000")])
        text = "Information schema is changed" if code == 1105 else "made up"
        where = self.dice.choice(["INSERT INTO `orders`", "COMMIT"])
        self.proxy.error(code, state, text, where, times=self.dice.randrange(1, 10), rollback=code == 1213, within=True)
        self.for_a_while()

    def slow_target(self):
        self.proxy.latency(self.dice.uniform(0.05, 0.5))
        self.for_a_while(1, 3)
        self.proxy.latency(0)

    def narrow_target(self):
        self.proxy.throttle(self.dice.randrange(5_000, 50_000))
        self.for_a_while(1, 3)
        self.proxy.throttle(0)

    def reload(self):
        self.version += 1
        self.write_scripts()
        for job in self.running():
            job.reload()

    def reload_what_is_broken(self):
        for job in self.jobs:
            job.write(orders="return {{")
        for job in self.running():
            job.reload()
        self.for_a_while(0.2, 1)
        self.write_scripts()

    def faults(self):
        """One, or several at a time."""
        kinds = [self.kill_worker, self.kill_worker, self.kill_master, self.kill_a_whole_process_for_a_while, self.leave_and_join, self.freeze_worker, self.freeze_worker_with_work_waiting, self.freeze_worker_with_work_waiting,
                 self.freeze_a_whole_process, self.kill_broker, self.freeze_broker, self.kill_database, self.stop_database, self.freeze_database,
                 self.cut_connections, self.cut_connections, self.cut_and_leave_the_server_unaware, self.drop_connections, self.refuse_connections,
                 self.errors, self.errors, self.slow_target, self.narrow_target, self.reload, self.reload_what_is_broken]
        return self.dice.sample(kinds, 2 if self.dice.random() < 0.25 else 1)

    # Whether all is well

    def progress(self):
        rows = self.mariadb.execute("SELECT `partition` AS p, MAX(next_offset) AS next FROM streamlua_progress GROUP BY 1", database=self.database)
        return {row["p"]: row["next"] for row in rows}

    def caught_up(self, marks):
        done = self.progress()
        return all(done.get(p, -1) >= mark for p, mark in enumerate(marks))

    def alive(self):
        """A start that finds the database away, or a script that is broken, ends with 2, and a SIGHUP ends one that has not come to its first
        line; whoever supervises starts it again."""
        for job in self.jobs:
            code = job.process.poll()
            if code == -signal.SIGHUP or code == 2 and re.search("error 20|unexpected symbol", job.log()[-600:]):
                self.start(job)
            elif job.process.poll() is not None:
                raise Difference(f"process {job.folder.name} ended by itself with {job.process.returncode}:\n{job.log()[-3000:]}")

    def recover(self, what):
        """Waits until everything that was in the broker is done."""
        marks, begin = list(self.load.sent), time.monotonic()

        def well():
            self.alive()
            return self.caught_up(marks)
        wait_for(well, lambda: f"recovery from {what}: {self.progress()} of {marks}", RECOVERY_MOST_SECONDS)
        self.recovery[what].append(time.monotonic() - begin)

    def never_twice(self):
        twice = self.mariadb.execute("SELECT part, off, op, COUNT(*) AS times FROM log GROUP BY 1, 2, 3 HAVING times > 1 LIMIT 5", database=self.database)
        if twice:
            raise Difference(f"written twice: {twice}")

    def compare(self):
        self.load.pause()
        expected = oracle.Oracle(orders=oracle.Table(["id"]))
        expected.apply(self.load.orders.changes)
        self.recover("nothing (a comparison)")
        self.never_twice()
        logged = self.mariadb.value("SELECT COUNT(*) FROM log", database=self.database)
        if logged != self.load.lines:
            dead = self.mariadb.execute("SELECT `partition`, `offset`, error FROM streamlua_dead_letters", database=self.database)
            others = [row for row in dead if (row["partition"], row["offset"]) not in self.load.poison]
            raise Difference(f"{logged} lines are in the log where {self.load.lines} should be; dead letters that are no poison: {others[:5]}")
        dead = Counter((row["p"], row["o"]) for row in
                       self.mariadb.execute("SELECT `partition` AS p, `offset` AS o FROM streamlua_dead_letters", database=self.database))
        if dead != Counter(self.load.poison):
            raise Difference(f"dead letters: missing {sorted(self.load.poison - dead.keys())[:5]}, others {sorted((dead - Counter(self.load.poison)).items())[:5]}")
        expected.expect_in_mariadb(self.mariadb, self.database)
        for job in self.jobs:
            if any(word in job.log() for word in BAD_WORDS):
                raise Difference(f"process {job.folder.name} said:\n{job.log()[-3000:]}")
        self.rounds += 1
        self.load.resume()

    def run(self, seconds):
        self.write_scripts()
        for job in self.jobs:
            job.job(kafka_source(self.kafka, self.topic, config={"session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": 500}),
                    tidb_sink(self.mariadb, self.database, port=self.proxy.port, lanes=4, read_timeout="3s", connect_timeout="3s"), memory="32MB")
            self.start(job, wait=True)
        self.load.start()
        self.begin = time.monotonic()
        end, next_round = self.begin + seconds, self.begin + ROUND_SECONDS
        while time.monotonic() < end:
            faults = self.faults()
            what = " + ".join(fault.__name__.replace("_", " ") for fault in faults)
            self.say(f"{time.monotonic() - self.begin:7.1f} s  {what}")
            threads = [threading.Thread(target=self.attempt, args=(fault,)) for fault in faults]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if self.trouble:
                raise self.trouble[0]
            self.proxy.clear()
            self.recover(what)
            self.survived.update(fault.__name__.replace("_", " ") for fault in faults)
            self.never_twice()
            if time.monotonic() >= next_round:
                self.compare()
                next_round = time.monotonic() + ROUND_SECONDS
        self.compare()
        self.load.stop()
        for job in self.jobs:
            code = job.stop(90).code
            if code != 0:
                raise Difference(f"process {job.folder.name} ended with {code}:\n{job.log()[-3000:]}")

    def attempt(self, fault):
        """Two at a time may meet what the other has just ended."""
        try:
            fault()
        except (IndexError, ProcessLookupError):
            pass
        except BaseException as error:
            self.trouble.append(error)

    def report(self):
        rows = self.mariadb.value("SELECT COUNT(*) FROM orders", database=self.database)
        worst = sorted(((max(times), what) for what, times in self.recovery.items()), reverse=True)
        lines = [f"seed {self.seed}, {time.monotonic() - self.begin:.0f} s, {self.rounds} comparisons of everything without a difference",
                 f"faults survived {sum(self.survived.values())}: " + ", ".join(f"{what} {times}" for what, times in sorted(self.survived.items())),
                 f"events {len(self.load.orders.changes) + len(self.load.poison)}, rows at the end {rows}, lines of the log {self.load.lines}, dead letters {len(self.load.poison)} (all of them poison)",
                 "worst recovery, to the last event that was in the broker: " + ", ".join(f"{seconds:.1f} s after {what}" for seconds, what in worst[:5])]
        return "\n".join(lines)

    def close(self):
        self.load.stop() if self.load.is_alive() else None
        for job in self.jobs:
            job.close()
        self.proxy.stop()


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--seed", type=int, default=None)
    given = options.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    kafka, mariadb = Kafka(), MariaDB()
    with tempfile.TemporaryDirectory(prefix="streamlua-soak-") as folder:
        soak = None
        try:
            kafka.start()
            mariadb.start()
            soak = Soak(kafka, mariadb, folder, seed, say=lambda line: print(line, flush=True))
            soak.run(given.minutes * 60)
            print(soak.report())
        except AssertionError as failure:
            print(f"seed {seed}: {failure}", file=sys.stderr)
            for job in soak.jobs if soak else []:
                print(f"---- {job.folder.name}:\n{job.log()[-6000:]}", file=sys.stderr)
            sys.exit(1)
        finally:
            if soak:
                soak.close()
            kafka.close()
            mariadb.close()


if __name__ == "__main__":
    main()
