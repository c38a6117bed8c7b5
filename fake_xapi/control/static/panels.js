// What the panels show: elements made of text alone, never of markup that came from a simulation.

const GIB = 2 ** 30;
const POWER = { Running: "good", Paused: "warn", Suspended: "warn", Halted: "none" };
const STATE = { up: "good", disabled: "warn", isolated: "warn", off: "none", dead: "bad" };
const CALLS_SHOWN = 150;

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== ""));
  return made;
}

export const badge = (text, kind) => element("span", { class: "badge", "data-kind": kind ?? "none" }, text);
export const stateBadge = (state) => badge(state, STATE[state]);

export function date(text) {
  const [, year, month, day, time] = /^(\d{4})(\d\d)(\d\d)T([\d:]+)Z$/.exec(text) ?? [null, "", "", "", text];
  return year ? `${year}-${month}-${day} ${time}` : text;
}

export function duration(seconds) {
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${(seconds * 1000).toPrecision(3)} ms`;
  return seconds < 120 ? `${seconds.toPrecision(3)} s` : `${Math.round(seconds / 60)} min`;
}


function size(bytes) {
  if (bytes <= 0) return "–";
  if (bytes < GIB) return `${Math.round((bytes / GIB) * 1024)} MiB`;
  return bytes >= 1000 * GIB ? `${(bytes / GIB / 1024).toFixed(1)} TiB` : `${(bytes / GIB).toFixed(1)} GiB`;
}

export function totals(place, figures) {
  place.replaceChildren(...figures.map(([name, value, isBad]) => element("div", { class: isBad ? "bad" : "" }, element("dt", {}, name), element("dd", {}, String(value)))));
}

// ---- one host ----

export function detail(place, host) {
  place.replaceChildren(
    element("dl", { class: "facts" },
      ...facts({ State: stateBadge(host.state), Release: host.release, URL: host.url, UUID: host.uuid, Role: host.is_master ? "master" : "member" })),
    element("h3", {}, `VMs (${host.vms.length})`), table(["Name", "State", "Memory", "vCPUs"], host.vms.map(vmRow), "No VMs."),
    element("h3", {}, `Tasks under way (${host.tasks_under_way.length})`), ...tasks(host.tasks_under_way),
    element("h3", {}, "Storage"), table(["Name", "Type", "Used", "Size"], host.storage.map(storageRow), "No storage."));
}

function facts(named) {
  return Object.entries(named).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
}

function table(heads, rows, otherwise) {
  if (!rows.length) return element("p", { class: "quiet" }, otherwise);
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
}

function vmRow(vm) {
  const state = element("td", {}, badge(vm.power_state, POWER[vm.power_state]), vm.operations.length ? ` ${vm.operations.join(", ")}` : "");
  return element("tr", {}, element("td", { title: vm.uuid }, vm.name_label || vm.uuid), state, element("td", {}, size(vm.memory_bytes)), element("td", {}, String(vm.vcpus)));
}

function storageRow(sr) {
  const used = sr.size_bytes > 0
    ? element("td", {}, element("meter", { value: Math.max(0, sr.used_bytes), max: sr.size_bytes, high: sr.size_bytes * 0.9, title: size(sr.used_bytes) }, size(sr.used_bytes)))
    : element("td", {}, "–");
  return element("tr", {}, element("td", { title: sr.uuid }, sr.name_label), element("td", {}, sr.type), used, element("td", {}, size(sr.size_bytes)));
}

function tasks(found) {
  if (!found.length) return [element("p", { class: "quiet" }, "Nothing is under way.")];
  return found.map((task) => element("div", {}, `${task.name_label} `, element("progress", { value: task.progress, max: 1, "aria-label": task.name_label })));
}

// ---- many hosts ----

export function watched(place, map, onSelect) {
  const worth = map.names.filter((name, at) => {
    const [state, running, , tasks, faults] = map.cells[at];
    return map.states[state] !== "up" || tasks || faults || running;
  });
  const weight = (name) => {
    const [state, running, , tasks, faults] = map.cellOf(name);
    return state * 1e6 + faults * 1e4 + tasks * 100 + running;
  };
  const first = worth.sort((one, other) => weight(other) - weight(one)).slice(0, 60);
  place.replaceChildren(...(first.length ? first.map((name) => watchedRow(map, name, onSelect)) : [emptyRow(5, "All hosts are up and idle.")]));
  return worth.length;
}

function watchedRow(map, name, onSelect) {
  const [state, running, resting, tasks, faults] = map.cellOf(name);
  return element("tr", { "aria-selected": String(map.selected === name) },
    element("td", {}, element("button", { type: "button", onclick: () => onSelect(name) }, name)),
    element("td", {}, stateBadge(map.states[state])),
    ...[`${running} / ${running + resting}`, tasks, faults].map((value) => element("td", { class: "number" }, String(value))));
}

const emptyRow = (columns, text) => element("tr", {}, element("td", { colspan: columns, class: "quiet" }, text));

// ---- faults ----

export function faults(place, found, act) {
  if (!found.length) return place.replaceChildren(element("li", { class: "empty" }, "Nothing goes wrong."));
  place.replaceChildren(...found.map((fault) => rule(fault, act)));
}

function rule({ handle, hits, held, rule: { effect, ...rest } }, act) {
  const { kind, ...parts } = effect;
  const said = [...Object.entries(parts), ...Object.entries(rest)].map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(" | ") || "–" : value}`);
  return element("li", { "data-handle": handle },
    element("span", { class: "what" }, element("b", {}, kind), ` ${said.join(", ") || "everywhere"}`),
    element("span", { class: "hits quiet" }, `${hits} ${hits === 1 ? "hit" : "hits"}${held ? `, holds ${held}` : ""}`),
    held ? element("button", { type: "button", class: "small", onclick: () => act("POST", `/faults/${handle}/release`) }, "Release") : "",
    element("button", { type: "button", class: "small", "aria-label": `Remove fault ${handle}`, onclick: () => act("DELETE", `/faults/${handle}`) }, "Remove"));
}

// ---- calls ----

export function calls(place, kept, text) {
  const lower = text.toLowerCase();
  const wanted = kept.filter((call) => `${call.host} ${call.message} ${call.outcome}`.toLowerCase().includes(lower));
  const rows = wanted.slice(-CALLS_SHOWN).reverse().map(callRow);
  place.replaceChildren(...(rows.length ? rows : [emptyRow(5, text ? "No call of the last ones matches." : "Nobody has called yet.")]));
}

function callRow(call) {
  const kind = call.outcome === "success" ? "good" : "bad";
  const took = call.took_s >= 0.001 ? call.took_s : call.real_s;
  return element("tr", {},
    element("td", {}, date(call.date).slice(11)), element("td", {}, call.host), element("td", {}, call.message),
    element("td", {}, kind === "good" ? call.outcome : element("span", { class: "bad" }, call.outcome)),
    element("td", { class: "number" }, duration(took)));
}

export function spark(canvas, rates) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [160, 24];
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
  const most = Math.max(1, ...rates);
  rates.forEach((rate, at) => {
    const tall = rate ? Math.max(1, (rate / most) * (height - 2)) : 0;
    pen.fillRect(width - (rates.length - at) * (width / 60), height - tall, width / 60 - 0.7, tall);
  });
}
