// What the job tells (GET /events), shown as it comes. The names of events and what is in them stand in core/run/page.h.

import { draw, extend } from "./charts.js";
import { byId, element, Rows, setClass, setNumber, setText, spark } from "./elements.js";
import { bytes, clock, count, duration, exact, moment, rate, spaced } from "./format.js";
import { Numbers } from "./numbers.js";

const LAGGING_MS = 60_000, QUIET_MS = 5000, AGAIN_MS = 5000, PARTITIONS_MOST = 10, LETTERS_MOST = 20, LETTERS_FEW = 5;

let numbers, status, lastHeard = 0, connected = false, allPartitions = false;

// ---- above: how it is ----

function state() {
  if (!connected || !status || Date.now() - lastHeard > QUIET_MS)
    return ["off", lastHeard ? "Not connected" : "Connecting", lastHeard ? `Nothing was heard since ${clock(lastHeard)}: the job has ended, or cannot be reached. It is asked again.` : ""];
  if (!status.ready) return ["bad", "Not ready", status.problem];
  if (status.reloads.last === "rejected") return ["warn", "Old scripts", "The last reload was rejected: the scripts before it go on. The reason stands below, under Scripts."];
  if (numbers && numbers.value("lag_ms") > LAGGING_MS) return ["warn", "Lagging", ""];
  return ["ok", "Ready", ""];
}

function showState() {
  const [kind, word, problem] = state();
  setClass(byId("state"), `state ${kind}`);
  setText(byId("state-text"), word);
  const notice = byId("problem");
  notice.hidden = !problem;
  setText(notice, problem);
  setClass(notice, `notice ${kind}`);
  document.body.classList.toggle("stale", kind === "off");
}

function showJob() {
  setText(byId("job"), status.job || "streamlua");
  setText(byId("about"), `${status.path} into ${status.sink || "…"} · up ${spaced(duration(status.uptime_s * 1000))} · pid ${status.pid}`);
  document.title = `${status.job || "streamlua"} · ${state()[1]}`;
}

// ---- the tiles ----

function tile(name, number, more) {
  setNumber(byId(name), number);
  setText(byId(`${name}-more`), more);
}

function showTiles() {
  const totals = status.totals, transactions = numbers.transactions(), lag = numbers.value("lag"), lagMs = numbers.value("lag_ms");
  const full = totals.memory_most_bytes ? totals.memory_bytes / totals.memory_most_bytes : 0, dead = numbers.rate("dead");

  tile("read", [rate(numbers.rate("read")), "/s"], `${count(totals.read - totals.lost)} in all`);
  tile("written", [rate(numbers.rate("written")), "/s"], `${rate(numbers.rate("filtered"))}/s filtered`);
  tile("lag", [count(lag), lag < 0 ? "" : lag === 1 ? "message" : "messages"], lag > 0 && lagMs >= 0 ? `${spaced(duration(lagMs))} behind` : lag === 0 ? "all is read" : "not known");
  setClass(byId("lag-tile"), lagMs > LAGGING_MS ? "tile warn" : "tile");
  tile("commit", transactions ? duration(transactions.p50) : ["–", ""], transactions ? `p99 ${spaced(duration(transactions.p99))}` : "nothing was written lately");
  tile("batch", transactions ? [count(transactions.rows), transactions.rows === 1 ? "row" : "rows"] : ["–", ""], `at most ${count(totals.window)} rows on their way`);
  tile("lanes", [`${totals.in_flight} / ${totals.lanes}`, ""], `${count(totals.retries)} retries${totals.parked ? `, ${count(totals.parked)} parked` : ""}${totals.held ? `, ${totals.held} held` : ""}`);
  tile("memory", bytes(totals.memory_bytes), `reading stops at ${spaced(bytes(totals.memory_most_bytes))}`);
  setClass(byId("memory-tile"), full >= 1 ? "tile warn" : "tile");
  tile("dead", [count(totals.dead), ""], totals.dead ? (dead > 0 ? `${rate(dead)}/s now` : "none at the moment") : "in this run");
  setClass(byId("dead-tile"), dead > 0 ? "tile bad" : "tile");
}

// ---- the tables ----

const tables = new Rows(byId("tables"), "Tables", [
  { title: "script", left: true, cell: (s) => s.name },
  { title: "read, last hour", left: true, wide: true, cell: (s) => (cell) => spark(cell, numbers.scriptRates(s.name)) },
  { title: "read/s", cell: (s) => rate(s.rates.read) },
  { title: "written/s", cell: (s) => rate(s.rates.written) },
  { title: "filtered/s", wide: true, cell: (s) => rate(s.rates.filtered) },
  { title: "dead", cell: (s) => [exact(s.dead), s.dead ? "bad" : ""] },
  { title: "skipped", wide: true, cell: (s) => count(s.skipped) },
  { title: "read", wide: true, cell: (s) => count(s.read) },
  { title: "written", wide: true, cell: (s) => count(s.written) },
  { title: "state at hand", wide: true, cell: (s) => (s.state_keys ? `${count(s.state_keys)} rows` : "none") },
], "no script has been given an event yet");

const partitions = new Rows(byId("partitions"), "Partitions", [
  { title: "topic", left: true, cell: (p) => (p.stage ? `${p.topic} (${p.stage})` : p.topic) },
  { title: "partition", cell: (p) => String(p.partition) },
  { title: "lag", cell: (p) => [p.lag < 0 ? "–" : exact(p.lag), p.lag_ms > LAGGING_MS ? "warn" : ""] },
  { title: "behind", cell: (p) => [spaced(duration(p.lag_ms)), p.lag_ms > LAGGING_MS ? "warn" : ""] },
  { title: "next offset", wide: true, cell: (p) => exact(p.next_offset) },
  { title: "worker", wide: true, cell: (p) => String(p.worker) },
], "this process has no partition");

const workers = new Rows(byId("workers"), "Workers", [
  { title: "worker", left: true, cell: (w) => (w.stage ? `${w.worker} (${w.stage})` : String(w.worker)) },
  { title: "state", left: true, cell: (w) => [w.state, w.problem ? "bad" : w.state === "ready" || w.state === "finished" ? "" : "warn"] },
  { title: "pid", wide: true, cell: (w) => (w.pid ? String(w.pid) : "–") },
  { title: "restarts", cell: (w) => [exact(w.restarts), w.restarts ? "warn" : ""] },
  { title: "lanes busy", wide: true, cell: (w) => `${w.in_flight} / ${w.lanes}` },
  { title: "memory", cell: (w) => spaced(bytes(w.memory_bytes)) },
  { title: "version", wide: true, cell: (w) => w.version },
], "no worker runs");

const before = []; // { t, scripts } of the last seconds, for rates of what `now` does not have

function scriptRates(script) {
  const old = before[0], then = old?.scripts.get(script.name), seconds = old ? (numbers.value("t") - old.t) / 1000 : 0;
  const one = (name) => (then && seconds > 0 ? Math.max(0, script[name] - then[name]) / seconds : null);
  return { read: one("read"), written: one("written"), filtered: one("filtered") };
}

function showTables() {
  tables.update(status.scripts.map((script) => ({ ...script, rates: scriptRates(script) })), (s) => s.name);
  before.push({ t: numbers.value("t"), scripts: new Map(status.scripts.map((script) => [script.name, script])) });
  while (before.length > 10) before.shift();
  const unmatched = status.totals.unmatched;
  setText(byId("tables-more"), unmatched ? `${exact(unmatched)} events are of tables without a script` : "");

  const sorted = [...status.partitions].sort((a, b) => b.lag - a.lag || (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
  partitions.update(allPartitions ? sorted : sorted.slice(0, PARTITIONS_MOST), (p) => `${p.stage} ${p.topic} ${p.partition}`);
  setText(byId("partitions-more"), sorted.length ? String(sorted.length) : "");
  const button = byId("partitions-all");
  button.hidden = sorted.length <= PARTITIONS_MOST;
  setText(button, allPartitions ? `Show the ${PARTITIONS_MOST} that lag most` : `Show all ${sorted.length}`);
  workers.update(status.workers, (w) => w.worker);
}

byId("partitions-all").addEventListener("click", () => {
  allPartitions = !allPartitions;
  showTables();
});

// ---- scripts ----

function showScripts() {
  const { last, last_at_ms, last_error, accepted, rejected, running } = status.reloads;
  const said = running ? "is under way" : last === "none" ? "none yet" : `${last} at ${moment(last_at_ms)}`;
  const lines = [["version", status.version || "–"], ["last reload", said], ["reloads", `${exact(accepted)} accepted, ${exact(rejected)} rejected`]];
  const list = byId("scripts");
  if (!list.childElementCount) list.append(...lines.flatMap(([name]) => [element("dt", { text: name }), element("dd")]));
  lines.forEach(([, text], i) => setText(list.children[2 * i + 1], text));
  byId("reload-error").hidden = !last_error;
  setText(byId("reload-error"), last_error);
}

// ---- dead letters ----

function letter(l) {
  const [reason] = (l.error ?? "").split("\n");
  const part = (name, text) => (text == null ? [] : [element("h3", { text: name }), element("pre", { tabindex: "0", "aria-label": name, text })]);
  const cut = l.value_bytes > 2048 ? ` (the first 2 kB of ${spaced(bytes(l.value_bytes))})` : "";
  return element("details", { class: "letter" },
    element("summary", {},
      element("span", { class: "mono quiet", text: moment(l.at) }),
      element("span", { class: "tag", text: `${l.table || "no table"} · ${l.stage}` }),
      element("span", { class: "reason", text: reason })),
    element("div", { class: "body" },
      element("p", { class: "quiet", text: `${l.topic}, partition ${l.partition}, offset ${l.offset}; scripts ${l.version}` }),
      ...("value" in l ? [] : [element("p", { class: "quiet", text: "Its message is shown to who opens this page on the job's own machine, or through a tunnel, as http://127.0.0.1…" })]),
      ...part("Error", l.error), ...part("Key", l.key), ...part(`Message${cut}`, l.value)));
}

function showFewLetters() {
  const many = byId("letters").childElementCount, few = byId("letters").classList.contains("few"), button = byId("letters-all");
  button.hidden = many <= LETTERS_FEW;
  setText(button, few ? `Show all ${many}` : `Show the latest ${LETTERS_FEW}`);
}

byId("letters-all").addEventListener("click", () => {
  byId("letters").classList.toggle("few");
  showFewLetters();
});

function showLetters(letters, anew) {
  const list = byId("letters");
  if (anew || !list.querySelector("details")) list.replaceChildren();
  for (const l of letters) list.prepend(letter(l));
  while (list.childElementCount > LETTERS_MOST) list.lastElementChild.remove();
  if (!list.childElementCount) list.append(element("p", { class: "empty", text: "None in this run." }));
  showFewLetters();
  setText(byId("letters-more"), list.querySelector("details") ? "the latest of this run; “streamlua dead-letters JOB.lua” has all, and replays them" : "");
}

// ---- the stream ----

function listen() {
  const source = new EventSource("/events");
  let fresh = false;
  const on = (name, does) => source.addEventListener(name, (event) => {
    lastHeard = Date.now();
    connected = true;
    does(JSON.parse(event.data));
  });

  on("history", (history) => {
    fresh = true;
    before.length = 0;
    numbers = new Numbers(history);
    draw(numbers);
  });
  on("letters", (letters) => {
    showLetters(letters, fresh);
    fresh = false;
  });
  on("status", (said) => { status = said; });
  on("now", (now) => {
    numbers.add(now);
    if (now.kept) extend(numbers);
    showState();
    showJob();
    showTiles();
    showTables();
    showScripts();
  });
  source.addEventListener("error", () => {
    connected = false;
    showState();
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS); // an answer that is none; else it tries again by itself
  });
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => numbers && draw(numbers));
setInterval(showState, 1000);
listen();
