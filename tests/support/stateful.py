"""Scripts that keep state, each with events at random and a model of what they make: the same walked through in plain Python, an event at a
time, with no idea of batches, lanes, transactions or windows that are kept. Each table is compared with a whole one of the target."""

import collections
import datetime
import decimal
import json
import random
import re

from . import oracle
from .job import ROOT

D = decimal.Decimal
BASE = 1704067200000  # 2024-01-01
STEP, JITTER = 4000, 60_000  # events follow each other by so many ms, and half of them are late by up to so many
FAR = 32472144000000  # 2999-01-01


def text(ms):
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)).strftime("%Y-%m-%d %H:%M:%S")


def example(name, script, *changes):
    """The script of an example without its own examples, and with these changes. No partition is idle, however slow the machine."""
    made = (ROOT / "examples" / name / "scripts" / f"{script}.lua").read_text()
    made = re.sub(r"\n(M\.|  )examples = \{.*?\n\1?\},?\n|\n  examples = \{.*\n  \},\n", "\n", made, flags=re.S)
    for old, new in (("key_by", 'watermark = { idle_after = "1d" }, key_by'), *changes):
        assert old in made, (name, old)
        made = made.replace(old, new, 1)
    return made


class Model:
    """What one script makes of its topic's events.

    key           the column that its events are keyed by
    tables        table of the target -> oracle.Table
    out_of_order  ms
    """

    key, out_of_order, schema = None, 0, ""

    def __init__(self, seed):
        self.dice = random.Random(f"{type(self).__name__} {seed}")
        self.tables, self.dead = {}, set()  # dead: (partition, offset)

    def table(self, name, *key):
        self.tables[name] = oracle.Table(key)
        return self.tables[name]

    def make(self, number, at):
        """The event of this number, which happens at this time: { op, row, old }."""
        raise NotImplementedError

    def feed(self, row, op, old, at, watermark):
        """Returns True where it is a dead letter. watermark: of its partition, before it."""
        raise NotImplementedError

    def end(self):
        """The input is over."""


def exact(values):
    """Their sum as it is written where each has two places."""
    return f"{sum((D(repr(value)) for value in values), D(0)):.2f}"


def put(table, row):
    table.rows[table.key_of(row)] = row


class Views(Model):
    """examples/events-per-minute: tumbling windows, and what is late in a table of its own."""

    key, out_of_order, target, late = "page", 10_000, "views_per_minute", "late_views"
    script = example("events-per-minute", "views")
    schema = """
    CREATE TABLE views_per_minute (page VARCHAR(20), window_start DATETIME, window_end DATETIME, views INT, seconds VARCHAR(40), PRIMARY KEY (page, window_start));
    CREATE TABLE late_views (id INT PRIMARY KEY, page VARCHAR(20), viewed_at VARCHAR(30));"""

    def __init__(self, seed):
        super().__init__(seed)
        self.windows, self.lates = self.table(self.target, "page", "window_start"), self.table(self.late, "id")
        self.panes = collections.defaultdict(list)

    def make(self, number, at):
        at = FAR if number == 100 else at
        return {"op": "insert", "row": {"id": number, "page": f"/{self.dice.randrange(12)}", "viewed_at": text(at), "dwell": self.dice.choice([None, 0.11, 2.25, 7.13])}}

    def feed(self, row, op, old, at, watermark):
        start = at // 60_000 * 60_000
        if start + 60_000 <= watermark:
            put(self.lates, {name: row[name] for name in ("id", "page", "viewed_at")})
            return
        seen = self.panes[row["page"], start]
        seen.append(row["dwell"])
        counted = [dwell for dwell in seen if dwell is not None]
        put(self.windows, {"page": row["page"], "window_start": text(start), "window_end": text(start + 60_000), "views": len(seen),
                           "seconds": exact(counted) if counted else None})


class Minutes(Views):
    """The same, each window written once."""

    target, late = "minutes", "late_minutes"
    script = example("events-per-minute", "views", ('"changes"', '"final"'), ("views_per_minute", "minutes"), ("late_views", "late_minutes"))
    schema = Views.schema.replace("views_per_minute", "minutes").replace("late_views", "late_minutes")


class Clicks(Model):
    """examples/sessions, with a pause of 40 s."""

    key, out_of_order, gap, target = "user", 30_000, 40_000, "sessions"
    script = example("sessions", "clicks", ('"30m"', '"40s"'), ('"5m"', '"30s"'))
    schema = """CREATE TABLE sessions (user VARCHAR(20), window_start DATETIME, window_end DATETIME, clicks INT, first_page VARCHAR(20), last_page VARCHAR(20),
      pages INT, PRIMARY KEY (user, window_start));"""

    def __init__(self, seed):
        super().__init__(seed)
        self.sessions = self.table(self.target, "user", "window_start")
        self.open = collections.defaultdict(list)  # user -> lists of (at, number of arrival, page)

    def make(self, number, at):
        return {"op": "insert", "row": {"user": f"u{self.dice.randrange(8)}", "at": text(at), "page": self.dice.choice("abcdefg"), "number": number}}

    def feed(self, row, op, old, at, watermark):
        if at + self.gap <= watermark:
            return
        session, others = [(at, row["number"], row["page"])], []
        for one in self.open[row["user"]]:
            first, end = min(one)[0], max(one)[0] + self.gap
            if end <= watermark:
                continue  # over: its row stays
            if first <= at + self.gap and end >= at:
                session += one
                del self.sessions.rows[row["user"], text(first)]
            else:
                others.append(one)
        self.open[row["user"]] = [*others, session]
        session.sort()
        put(self.sessions, {"user": row["user"], "window_start": text(session[0][0]), "window_end": text(session[-1][0] + self.gap), **self.result(session)})

    def result(self, session):
        return {"clicks": len(session), "first_page": session[0][2], "last_page": session[-1][2], "pages": len({page for _, _, page in session})}


class Sittings(Clicks):
    """The same, each session written once."""

    target = "sittings"
    script = Clicks.script.replace('"changes"', '"final"').replace('"sessions"', '"sittings"')
    schema = Clicks.schema.replace("TABLE sessions", "TABLE sittings")


class Walks(Clicks):
    """Sessions of functions in Lua."""

    target = "walks"
    script = """local sl = require "streamlua"
    return { key_by = { "user" }, time = "at", target = "walks", watermark = { idle_after = "1d" }, window = sl.session("40s", { out_of_order = "30s" }),
      add = function(acc, row) acc.n, acc.numbers = (acc.n or 0) + 1, (acc.numbers or 0) + row.number end,
      merge = function(a, b) return { n = a.n + b.n, numbers = a.numbers + b.numbers } end,
      result = function(acc, w) return { n = acc.n, numbers = acc.numbers, seconds = (w.finish - w.start) / 1000 } end }"""
    schema = "CREATE TABLE walks (user VARCHAR(20), window_start DATETIME, window_end DATETIME, n INT, numbers INT, seconds INT, PRIMARY KEY (user, window_start));"

    def result(self, session):
        return {"n": len(session), "numbers": sum(number for _, number, _ in session), "seconds": (session[-1][0] + self.gap - session[0][0]) // 1000}


class Orders(Model):
    """Hopping windows of a table whose rows change and go: they are taken back."""

    key, out_of_order, size, hop, target = "shop", 30_000, 120_000, 60_000, "sales"
    script = """local sl = require "streamlua"
    return { key_by = { "shop" }, time = "at", target = "sales", watermark = { idle_after = "1d" },
             window = sl.hopping("2m", "1m", { out_of_order = "30s" }), aggregate = { orders = sl.count(), total = sl.sum "amount", kinds = sl.count_distinct "kind" } }"""
    schema = """CREATE TABLE sales (shop INT, window_start DATETIME, window_end DATETIME, orders INT, total VARCHAR(40), kinds INT, PRIMARY KEY (shop, window_start));"""

    def __init__(self, seed):
        super().__init__(seed)
        self.sales = self.table(self.target, "shop", "window_start")
        self.panes, self.live = collections.defaultdict(dict), {}

    def make(self, number, at):
        new = {"id": number, "shop": self.dice.randrange(10), "at": text(at), "amount": (self.dice.randrange(10_000) * 10 + self.dice.randrange(1, 10)) / 100, "kind": self.dice.choice("abcd")}
        what, recent = self.dice.random(), list(self.live)[-20:]
        if what < 0.5 or not recent:
            self.live[number] = new
            return {"op": "insert", "row": new}
        old = self.live.pop(self.dice.choice(recent))
        if what < 0.65:
            return {"op": "delete", "old": old}
        # It may go to another shop, but not to another partition.
        new = self.live[old["id"]] = {**new, "id": old["id"], "shop": old["shop"] % 2 + self.dice.randrange(5) * 2, "at": self.dice.choice([old["at"], new["at"]])}
        return {"op": "update", "row": new, "old": old}

    def feed(self, row, op, old, at, watermark):
        for image, sign in ((old, -1), (row, 1)) if old else ((row, -1 if op == "delete" else 1),):
            moment = ms_of(image["at"])
            for start in range(moment // self.hop * self.hop, moment - self.size, -self.hop):
                if start + self.size > watermark:
                    self.change(image, start, sign)

    def change(self, image, start, sign):
        held = self.panes[image["shop"], start]
        if sign > 0:
            held[image["id"]] = image
        else:
            del held[image["id"]]
        row = {"shop": image["shop"], "window_start": text(start), "window_end": text(start + self.size), "orders": len(held),
               "total": exact(one["amount"] for one in held.values()), "kinds": len({one["kind"] for one in held.values()})}
        if held:
            put(self.sales, row)
        else:
            del self.sales.rows[self.sales.key_of(row)]


class Deals(Orders):
    """The same, each window written once: one that is empty by then is not."""

    target = "closed"
    script = Orders.script.replace('target = "sales"', 'target = "closed", emit = "final"')
    schema = Orders.schema.replace("TABLE sales", "TABLE closed")


class Payments(Model):
    """examples/fraud, whose state is forgotten after three minutes."""

    key, ttl = "account_id", 180_000
    script = example("fraud", "payments", ('ttl = "1d"', 'ttl = "3m"'))
    schema = "CREATE TABLE alerts (payment_id INT PRIMARY KEY, account_id INT, amount VARCHAR(20));"

    def __init__(self, seed):
        super().__init__(seed)
        self.alerts = self.table("alerts", "payment_id")
        self.until = {}  # account whose last payment was small -> until when that counts

    def make(self, number, at):
        return {"op": "insert", "row": {"id": number, "account_id": self.dice.randrange(30), "amount": self.dice.choice([0.5, 0.99, 1, 500, 500.01, 700]), "created_at": text(at)}}

    def feed(self, row, op, old, at, watermark):
        account = row["account_id"]
        until = self.until.pop(account, None)
        small = until is not None and until > max(at, watermark)
        if small and row["amount"] > 500:
            put(self.alerts, {"payment_id": row["id"], "account_id": account, "amount": repr(row["amount"])})
        if row["amount"] < 1:  # since the last change
            self.until[account] = until if small else at + self.ttl


class Logins(Model):
    """examples/failed-logins, a pattern whose match follows from its last event: within 40 s."""

    key, out_of_order, within = "account", 10_000, 40_000
    script = example("failed-logins", "logins", ('"10m"', '"40s"'), ('target = "alerts"', 'target = "intruders"'), ('idle_after', 'out_of_order = "10s", idle_after'))
    schema = "CREATE TABLE intruders (login_id INT PRIMARY KEY, account VARCHAR(20), first_at DATETIME, last_at DATETIME, last_ip VARCHAR(20));"

    def __init__(self, seed):
        super().__init__(seed)
        self.intruders = self.table("intruders", "login_id")
        self.begun = collections.defaultdict(list)  # account -> lists of the failures of partial matches, by their beginning

    def make(self, number, at):
        return {"op": "insert", "row": {"id": number, "account": f"a{self.dice.randrange(8)}", "at": text(at), "ip": f"::{number}",
                                        "result": self.dice.choice(["failure", "failure", "failure", "locked", "success"])}}

    def feed(self, row, op, old, at, watermark):
        account, result, kept = row["account"], row["result"], []
        for failures in self.begun[account]:
            end = ms_of(failures[0]["at"]) + self.within
            if end <= watermark or (at < end and result == "success"):
                continue
            if at < end and result == "failure":
                failures.append(row)
            if len(failures) == 3:
                put(self.intruders, {"login_id": row["id"], "account": account, "first_at": failures[0]["at"], "last_at": row["at"], "last_ip": row["ip"]})
                self.begun[account] = []
                return
            kept.append(failures)
        self.begun[account] = kept + [[row]] * (result == "failure")


class Carts(Model):
    """A pattern that ends with what does not come: two goods in a cart, and no order for 40 s."""

    key, out_of_order, within = "cart", 10_000, 40_000
    script = """local sl = require "streamlua"
    local M = { key_by = { "cart" }, time = "at", target = "left_carts", watermark = { out_of_order = "10s", idle_after = "1d" } }
    M.pattern = sl.pattern.begin("good", function(row) return row.what == "good" end):times_or_more(2)
      :not_followed_by("order", function(row) return row.what == "order" end):within("40s"):keep { "id", "cart" }
    function M.match(m, ctx)
      return { first = m.good[1].id, last = m.good[#m.good].id, goods = #m.good, cart = ctx.key.cart, at = ctx.time }
    end
    return M"""
    schema = "CREATE TABLE left_carts (first INT PRIMARY KEY, last INT, goods INT, cart INT, at BIGINT);"

    def __init__(self, seed):
        super().__init__(seed)
        self.left = self.table("left_carts", "first")
        self.begun = collections.defaultdict(list)  # cart -> [when it is over, numbers of its goods]
        self.taken = collections.Counter()

    def make(self, number, at):
        return {"op": "insert", "row": {"id": number, "cart": self.dice.randrange(20), "at": text(at), "what": self.dice.choice(["good", "good", "look", "order"])}}

    def fire(self, cart, watermark):
        while due := min((end for end, _ in self.begun[cart] if end <= watermark), default=None):
            last = -1
            for end, goods in [one for one in self.begun[cart] if one[0] == due]:
                if len(goods) > 1 and goods[0] > last:
                    last = goods[-1]
                    put(self.left, {"first": goods[0], "last": last, "goods": len(goods), "cart": cart, "at": due})
            self.begun[cart] = [one for one in self.begun[cart] if one[0] != due and one[1][0] > last]

    def feed(self, row, op, old, at, watermark):
        cart, kept = row["cart"], []
        self.fire(cart, watermark)
        for end, goods in self.begun[cart]:
            if at < end and row["what"] == "order" and len(goods) > 1:
                continue
            if at < end and row["what"] == "good":
                goods.append(row["id"])
            kept.append((end, goods))
        self.begun[cart] = kept + [(at + self.within, [row["id"]])] * (row["what"] == "good")

    def end(self):
        for cart in list(self.begun):
            self.fire(cart, FAR)


class Parcels(Model):
    """Timers: one of event time that is replaced and taken back, one by the clock that only the end of the input brings."""

    key, out_of_order, patience = "parcel", 10_000, 40_000
    script = """local sl = require "streamlua"
    local M = { key_by = { "parcel" }, time = "at", watermark = { out_of_order = "10s", idle_after = "1d" } }
    function M.process(row, state, ctx)
      state.n = (state.n or 0) + 1
      if row.arrived then ctx:cancel "lost" else ctx:timer(sl.time.parse(row.at) + 40000, "lost") end
      ctx:timer_in("10h", "remind")
    end
    function M.on_timer(state, ctx)
      ctx:emit("fired", { parcel = ctx.key.parcel, name = ctx.timer_name, at = ctx.timer_name == "lost" and ctx.time or 0, n = state.n })
    end
    return M"""
    schema = "CREATE TABLE fired (parcel INT, name VARCHAR(20), at BIGINT, n INT, PRIMARY KEY (parcel, name, at));"

    def __init__(self, seed):
        super().__init__(seed)
        self.fired = self.table("fired", "parcel", "name", "at")
        self.n, self.timer = {}, {}

    def make(self, number, at):
        return {"op": "insert", "row": {"parcel": self.dice.randrange(40), "at": text(at), "arrived": self.dice.random() < 0.3}}

    def fire(self, parcel):
        put(self.fired, {"parcel": parcel, "name": "lost", "at": self.timer.pop(parcel), "n": self.n[parcel]})

    def feed(self, row, op, old, at, watermark):
        parcel = row["parcel"]
        if self.timer.get(parcel, watermark + 1) <= watermark:
            self.fire(parcel)
        if not row["arrived"] and at + self.patience <= watermark:
            return True  # a timer in the past
        self.n[parcel] = self.n.get(parcel, 0) + 1
        self.timer.pop(parcel, None)
        if not row["arrived"]:
            self.timer[parcel] = at + self.patience

    def end(self):
        for parcel in list(self.timer):
            self.fire(parcel)
        for parcel, n in self.n.items():
            put(self.fired, {"parcel": parcel, "name": "remind", "at": 0, "n": n})


class Visits(Model):
    """State and a map, of two versions; a fault that leaves both as they were."""

    key = "user"
    script = """local M = { key_by = { "user" }, target = "visits" }
    function M.process(row, state, ctx)
      local seen = ctx:map "seen"
      state.n = (state.n or 0) + 1
      if not seen[row.page] then
        seen[row.page] = true
        state.pages = (state.pages or 0) + 1
      end
      if row.bad then error("bad visit") end
      ctx:emit("visit_log", { id = row.id, n = state.n, pages = state.pages })
      return { user = row.user, n = state.n, pages = state.pages }
    end
    return M"""
    upgraded = """local M = { key_by = { "user" }, target = "visits", state = { version = 2 } }
    function M.upgrade(old, from, map)
      assert(from == 1)
      return map and { seen = old } or { counts = { n = old.n, pages = old.pages } }
    end
    function M.process(row, state, ctx)
      local seen = ctx:map "seen"
      state.counts = state.counts or { n = 0, pages = 0 }
      local counts = state.counts
      counts.n = counts.n + 1
      if not seen[row.page] then
        seen[row.page] = { seen = true }
        counts.pages = counts.pages + 1
      end
      if row.bad then error("bad visit") end
      ctx:emit("visit_log", { id = row.id, n = counts.n, pages = counts.pages })
      return { user = row.user, n = counts.n, pages = counts.pages }
    end
    return M"""
    schema = "CREATE TABLE visits (user VARCHAR(20) PRIMARY KEY, n INT, pages INT); CREATE TABLE visit_log (id INT PRIMARY KEY, n INT, pages INT);"

    def __init__(self, seed):
        super().__init__(seed)
        self.visits, self.log = self.table("visits", "user"), self.table("visit_log", "id")
        self.seen = collections.defaultdict(list)

    def make(self, number, at):
        row = {"id": number, "user": f"u{self.dice.randrange(20)}", "page": self.dice.randrange(40)}
        return {"op": "insert", "row": {**row, "bad": True} if self.dice.random() < 0.05 else row}

    def feed(self, row, op, old, at, watermark):
        if row.get("bad"):
            return True
        seen = self.seen[row["user"]]
        seen.append(row["page"])
        put(self.visits, {"user": row["user"], "n": len(seen), "pages": len(set(seen))})
        put(self.log, {"id": row["id"], "n": len(seen), "pages": len(set(seen))})


MODELS = {"views": Views, "minutes": Minutes, "clicks": Clicks, "sittings": Sittings, "walks": Walks, "orders": Orders, "deals": Deals, "payments": Payments, "logins": Logins, "carts": Carts, "parcels": Parcels, "visits": Visits}


def ms_of(moment):
    return (datetime.datetime.fromisoformat(moment) - datetime.datetime(1970, 1, 1)) // datetime.timedelta(milliseconds=1)


class World:
    """All of them beside each other. topics: name of the model -> its topic, of two partitions each."""

    def __init__(self, topics, seed):
        self.topics, self.models = topics, {name: MODELS[name](seed) for name in topics}
        self.dice, self.made = random.Random(seed), 0
        self.clocks, self.offsets = {}, collections.Counter()

    def records(self, count):
        """So many more events of each topic, which the models have then seen."""
        made = []
        for number in range(self.made, self.made + count):
            at = BASE + number * STEP - self.dice.randrange(JITTER) * self.dice.randrange(2)
            made += [self._record(name, model, number, max(BASE, at // 1000 * 1000)) for name, model in self.models.items()]
        self.made += count
        return made

    def _record(self, name, model, number, at):
        event = model.make(number, at)
        row = event.get("row") or event["old"]
        key = row[model.key]
        partition = int(re.sub(r"\D", "", str(key))) % 2
        time = ms_of(next((row[column] for column in ("viewed_at", "at", "created_at") if column in row), text(at)))
        clock = self.clocks.get((name, partition))
        if model.feed(row, event["op"], event.get("old") if event["op"] == "update" else None, time, -FAR if clock is None else clock - model.out_of_order):
            model.dead.add((partition, self.offsets[name, partition]))
        if time < FAR:
            self.clocks[name, partition] = time if clock is None else max(clock, time)
        self.offsets[name, partition] += 1
        return self.topics[name], partition, json.dumps({model.key: key}).encode(), json.dumps(event).encode()

    def end(self):
        for model in self.models.values():
            model.end()

    def schema(self):
        return "".join(model.schema for model in self.models.values())

    def scripts(self, **instead):
        return {name: model.script for name, model in self.models.items()} | instead

    def oracle(self):
        return oracle.Oracle(**{name: table for model in self.models.values() for name, table in model.tables.items()})

    def dead_letters(self):
        """(topic, partition, offset) of each."""
        return {(self.topics[name], *place) for name, model in self.models.items() for place in model.dead}
