"use strict";
// The full table: sorted, searched and filtered in memory; a hundred rows are drawn at a time.
const data = JSON.parse(document.getElementById("data").textContent);
const rows = data.rows.map(values => Object.fromEntries(data.columns.map((name, i) => [name, values[i]])));
const byId = id => document.getElementById(id);
const two = value => value === null ? "–" : value.toFixed(2);
const FILTERS = ["attack", "algo", "trigger_kind", "kind"];
const COLUMNS = [  // title, key, whether it belongs to the chosen phase
  ["detector", "detector"], ["attack", "attack"], ["backdoor detection", "backdoor", true], ["visibility", "auroc", true], ["AUPRC", "auprc", true],
  ["alarms @1 %", "tpr_at_1fpr", true], ["alarms @5 %", "tpr_at_5fpr", true], ["false alarms @5 %", "false_alarms_at_5fpr", true],
  ["delay", "delay"], ["algorithm", "algo"], ["seed", "seed"], ["map", "env"], ["team", "team"], ["trigger", "triggered"],
  ...(data.columns.includes("mark") ? [["stealth", "mark"]] : []), ["row", "row_id"]];
let order = {column: 2, down: true}, shown = 100;

const isNumber = ([, key, phased]) => (phased && key !== "auroc") || key === "delay" || key === "seed";
const value = (row, [, key, phased]) => row[phased ? `${byId("phase").value}_${key}` : key];

function text(row, column) {
  const [, key, phased] = column, found = value(row, column);
  if (key === "auroc") {
    const phase = byId("phase").value;
    return found === null ? "–" : `${two(found)} (${two(row[`${phase}_auroc_low`])} to ${two(row[`${phase}_auroc_high`])})`;
  }
  if (key === "triggered") return found ? "shown" : "none";
  if (key === "delay") return found === null ? "–" : String(found);
  return phased ? two(found) : found ?? "–";
}

function command(id) {  // a button that copies what measures the row again
  const button = document.createElement("button"), words = `python -m bench reproduce ${id}`;
  button.type = "button";
  button.className = "copy";
  button.textContent = id;
  button.title = button.ariaLabel = `Copy: ${words}`;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(words);
      byId("count").textContent = `copied: ${words}`;
    } catch {
      byId("count").textContent = words;  // no clipboard here: to be copied by hand
    }
  });
  return button;
}

function compare(a, b) {  // what is missing comes last, whichever way the column is sorted
  const [x, y] = [value(a, COLUMNS[order.column]), value(b, COLUMNS[order.column])];
  if (x === null || y === null) return (x === null) - (y === null);
  const sign = typeof x === "string" ? x.localeCompare(y) : x - y;
  return order.down ? -sign : sign;
}

function draw() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = rows.filter(row => FILTERS.every(name => !byId(name).value || row[name] === byId(name).value)
    && words.every(word => [row.detector, row.attack, row.env, row.team, row.row_id].some(
      field => field !== null && field.toLowerCase().includes(word)))).sort(compare);
  const body = document.createElement("tbody");
  for (const row of found.slice(0, shown)) {
    const line = body.insertRow();
    line.className = row.kind;
    for (const column of COLUMNS) {
      const cell = line.insertCell();
      if (column[1] === "row_id" && row.row_id !== null) cell.append(command(row.row_id));
      else cell.textContent = text(row, column);
      if (isNumber(column)) cell.className = "n";
    }
  }
  byId("rows").tBodies[0].replaceWith(body);
  document.querySelectorAll("#rows thead th").forEach((head, i) => head.setAttribute(
    "aria-sort", i !== order.column ? "none" : order.down ? "descending" : "ascending"));
  byId("count").textContent = `${Math.min(shown, found.length)} of ${found.length} rows shown`;
  byId("more").hidden = found.length <= shown;
}

COLUMNS.forEach((column, i) => {
  const [title, , phased] = column;
  const head = document.createElement("th"), button = document.createElement("button");
  head.scope = "col";
  if (isNumber(column)) head.className = "n";
  button.type = "button";
  button.textContent = title;
  button.addEventListener("click", () => {
    order = {column: i, down: order.column === i ? !order.down : Boolean(phased)};
    draw();
  });
  head.append(button);
  byId("rows").tHead.rows[0].append(head);
});
for (const name of FILTERS) {
  for (const option of [...new Set(rows.map(row => row[name]))].filter(Boolean).sort()) byId(name).add(new Option(option));
}
byId("kind").value = "attack";
for (const name of ["search", "phase", ...FILTERS]) {
  byId(name).addEventListener("input", () => { shown = 100; draw(); });
}
byId("more").addEventListener("click", () => { shown += 100; draw(); });
for (const choice of document.querySelectorAll(".choice")) {  // which of a card's charts are shown
  const card = choice.closest(".inside"), place = card.querySelector(".charts"), first = place.innerHTML;
  let others = null;
  choice.addEventListener("input", async () => {
    others ??= await unpacked(card.querySelector("script").textContent);
    place.innerHTML = [first, ...others][choice.selectedIndex];
  });
}
async function unpacked(words) {  // texts, from their JSON by gzip in base 64
  const bytes = Uint8Array.from(atob(words), letter => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}
function openNamed() {  // a link to a card opens it
  const card = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
  if (card && card.tagName === "DETAILS") card.open = true;
}
addEventListener("hashchange", openNamed);
openNamed();
draw();
