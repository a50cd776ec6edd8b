// Parts of the page. Whatever is shown is set as text, never as markup: dead letters hold what strangers have sent.

export const byId = (id) => document.getElementById(id);

export function element(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value != null) made.setAttribute(key, value);
  if (text != null) made.textContent = text;
  made.append(...children);
  return made;
}

// Nothing is touched that is as it should be, so that selected text stays selected.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, name) {
  if (node.className !== name) node.className = name;
}

// "12.3" with a smaller "MB" behind it.
export function setNumber(node, [number, unit]) {
  if (node.dataset.shown === `${number} ${unit}`) return;
  node.dataset.shown = `${number} ${unit}`;
  node.replaceChildren(number, ...(unit ? [" ", element("span", { class: "unit", text: unit })] : []));
}

// A table whose rows stay where they are and change what they say. columns: { title, left, wide, long, cell(row) }, where cell gives a text, [text, class] or a
// function that updates the cell by itself.
export class Rows {
  constructor(table, caption, columns, empty) {
    this.columns = columns;
    this.rows = new Map();
    this.body = element("tbody");
    this.empty = element("tr", {}, element("td", { class: "empty-row", colspan: columns.length, text: empty }));
    const head = columns.map((column) => element("th", { scope: "col", class: shape(column), text: column.title }));
    table.setAttribute("aria-label", caption);
    table.replaceChildren(element("thead", {}, element("tr", {}, ...head)), this.body);
  }

  update(rows, key) {
    const shown = rows.length ? rows.map((row) => this.row(key(row), row)) : [this.empty];
    if (shown.length !== this.body.childElementCount || shown.some((tr, i) => this.body.children[i] !== tr)) this.body.replaceChildren(...shown);
    if (this.rows.size > rows.length) {
      const there = new Set(rows.map(key));
      for (const name of this.rows.keys()) if (!there.has(name)) this.rows.delete(name);
    }
  }

  row(name, row) {
    let tr = this.rows.get(name);
    if (!tr) {
      tr = element("tr", {}, ...this.columns.map((column, i) => element(i ? "td" : "th", i ? {} : { scope: "row" })));
      this.rows.set(name, tr);
    }
    this.columns.forEach((column, i) => {
      const cell = tr.children[i], said = column.cell(row);
      const [text, mark] = Array.isArray(said) ? said : [said, ""];
      setClass(cell, `${shape(column)} ${mark}`.trim());
      if (typeof said === "function") said(cell);
      else setText(cell, text);
    });
    return tr;
  }
}

function shape({ left, wide, long }) {
  return [left && "left", wide && "wide", long && "long"].filter(Boolean).join(" ");
}

// A small line without axes.
export function spark(cell, values) {
  const line = values.filter((v) => v != null);
  const most = Math.max(...line, 1e-9);
  const points = line.map((v, i) => `${(100 * i) / Math.max(1, line.length - 1)},${23 - (22 * v) / most}`).join(" ");
  const made = (name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  if (cell.dataset.shown === points) return;
  cell.dataset.shown = points;
  const svg = made("svg", { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(made("polyline", { points }));
  cell.replaceChildren(svg);
}
