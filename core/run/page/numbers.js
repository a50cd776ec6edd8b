// What the job has counted, as rates and quantiles. Points are counters as they stood at a time; everything here is the difference of two.

export class Numbers {
  constructor(history) {
    this.at = Object.fromEntries(history.columns.map((name, i) => [name, i]));
    this.bounds = history.commit_ms;
    this.most = history.most;
    this.scripts = history.scripts;
    this.points = history.points;
    this.recent = this.points.slice(-1); // of the last seconds
  }

  add(now) {
    this.scripts = now.scripts;
    this.recent.push(now);
    const since = now.point[0] - 10_000;
    while (this.recent.length > 2 && this.recent[1].point[0] <= since) this.recent.shift();
    if (now.kept && now.point[0] > (this.points.at(-1)?.point[0] ?? 0)) {
      this.points.push(now);
      if (this.points.length > this.most) this.points.shift();
    }
  }

  value(name) {
    return this.recent.at(-1)?.point[this.at[name]];
  }

  // Of the last seconds: a second's worth of what a function takes of each point.
  now(take) {
    const first = this.recent[0], last = this.recent.at(-1);
    return first === last ? null : perSecond(first, last, take);
  }

  rate(name) {
    return this.now((p) => p.point[this.at[name]]);
  }

  scriptRate(script) {
    const i = this.scripts.indexOf(script);
    return i < 0 ? null : this.now((p) => p.read[i]);
  }

  transactions() {
    return this.between(this.recent[0], this.recent.at(-1));
  }

  // What transactions with rows did between two points: { rows, p50, p99 }, null where there were none.
  between(before, after) {
    const { tx, tx_rows, commit_0 } = this.at;
    const many = after && before && after.point[tx] - before.point[tx];
    if (!(many > 0)) return null;
    const counts = [...this.bounds, 0].map((_, i) => after.point[commit_0 + i] - before.point[commit_0 + i]);
    return { rows: (after.point[tx_rows] - before.point[tx_rows]) / many, p50: quantile(counts, this.bounds, 0.5), p99: quantile(counts, this.bounds, 0.99) };
  }

  // For a chart: a value for each point of the hour, of it and the one before.
  series(make) {
    return this.points.map((point, i) => (i ? make(this.points[i - 1], point) : null));
  }

  times() {
    return this.points.map((p) => p.point[0] / 1000);
  }

  rates(name) {
    return this.series((a, b) => perSecond(a, b, (p) => p.point[this.at[name]]));
  }

  values(name) {
    return this.points.map((p) => (p.point[this.at[name]] < 0 ? null : p.point[this.at[name]]));
  }

  scriptRates(script) {
    const i = this.scripts.indexOf(script);
    return i < 0 ? [] : this.series((a, b) => perSecond(a, b, (p) => p.read[i]));
  }
}

// null where either is not known. A counter that goes back belongs to a worker that died: nothing was counted then.
function perSecond(a, b, take) {
  const before = take(a), after = take(b), seconds = (b.point[0] - a.point[0]) / 1000;
  return before == null || after == null || seconds <= 0 ? null : Math.max(0, after - before) / seconds;
}

// Spread evenly between the bounds of a bucket, as Prometheus does; beyond the last one nothing more is known.
function quantile(counts, bounds, q) {
  const total = counts.reduce((sum, n) => sum + Math.max(0, n), 0);
  let rank = q * total;
  for (let i = 0; i < bounds.length; i++) {
    const below = i ? bounds[i - 1] : 0;
    if (rank <= counts[i]) return counts[i] ? below + ((bounds[i] - below) * rank) / counts[i] : below;
    rank -= counts[i];
  }
  return bounds.at(-1);
}
