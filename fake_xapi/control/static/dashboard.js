// The page: listens to what changes, hands it to the map and the panels, and sends what a person does.

import { HostMap } from "./host_map.js";
import { calls, date, detail, element, faults, spark, totals, watched } from "./panels.js";

const CALLS_KEPT = 1000;
const LOOK_AGAIN_MS = 1000;
const at = (id) => document.getElementById(id);
const state = { calls: [], faults: [], rates: [], total: 0, errors: 0, underWay: 0, clock: null, lastTotal: null, isHeld: false, isStale: true };
const map = new HostMap(at("canvas"), at("tip"), at("pointed"), select);

// ---- what the simulation says ----

const heard = {
  map(content) {
    map.set(content);
    at("fleet").textContent = `${content.names.length} of release ${content.release}, seed ${content.seed}`;
    legend(content.states);
    showHosts();
  },
  cells(content) {
    map.change(content);
    showHosts();
    if (map.selected in content) state.isStale = true;
  },
  faults(content) {
    state.faults = content.faults;
    at("clear").hidden = !state.faults.length;
    faults(at("faults"), state.faults, act);
  },
  clock(content) {
    state.clock = content;
    at("date").textContent = date(content.date);
    at("date").dateTime = date(content.date).replace(" ", "T") + "Z";
    at("pace").textContent = !content.is_paced ? "its own pace" : content.is_paused ? "paused" : `× ${content.speed}`;
    at("pause").textContent = content.is_paused ? "Resume" : "Pause";
    at("pause").setAttribute("aria-pressed", String(content.is_paused));
    at("step").disabled = !content.is_paused;
    for (const id of ["pause", "speed", "jump"]) at(id).disabled = !content.is_paced;
    if (document.activeElement !== at("speed")) showSpeed(content.speed);
  },
  traffic(content) {
    Object.assign(state, { total: content.total, errors: content.errors, underWay: content.under_way });
    if (!content.calls.length) return;
    state.calls.push(...content.calls);
    state.calls.splice(0, Math.max(0, state.calls.length - CALLS_KEPT));
    if (!state.isHeld) showCalls();
  },
};

function listen() {
  const events = new EventSource("/live");
  for (const [name, hear] of Object.entries(heard)) events.addEventListener(name, (event) => hear(JSON.parse(event.data)));
  events.addEventListener("open", () => link("live", "live"));
  events.addEventListener("error", () => link("lost", "no connection, trying again"));
}

function link(kind, text) {
  at("link").dataset.state = kind;
  at("link").textContent = text;
}

// ---- what is shown ----

function showHosts() {
  const worth = watched(at("watch"), map, select);
  at("watch-count").textContent = worth ? `${worth} of ${map.names.length}` : "";
  showTotals();
}

function showTotals() {
  const byState = map.states.map(() => 0);
  let [running, resting, tasks] = [0, 0, 0];
  for (const [host, runs, rests, under] of map.cells) {
    byState[host] += 1;
    running += runs;
    resting += rests;
    tasks += under;
  }
  const hosts = map.states.map((name, place) => [name, byState[place], name === "dead" && byState[place] > 0]).filter(([name, count]) => count || name === "up");
  totals(at("totals"), [...hosts, ["VMs running", running], ["VMs resting", resting], ["tasks", tasks], ["calls", state.total], ["refused", state.errors, state.errors > 0]]);
}

function showCalls() {
  calls(at("calls"), state.calls, at("calls-filter").value);
}

function showSpeed(speed) {
  const known = [...at("speed").options].some((option) => Number(option.value) === speed);
  if (!known) at("speed").append(element("option", { value: speed }, String(speed)));
  at("speed").value = String(speed);
}

function legend(states) {
  const known = [["up", "up, idle"], ["busy", "more VMs"], ...states.slice(1).map((name) => [name, name]), ["faults", "faults"], ["tasks", "tasks"]];
  at("legend").replaceChildren(...known.map(([name, text]) => element("li", {}, element("span", { class: "swatch", "data-state": name }), text)));
}

function eachSecond() {
  if (state.lastTotal !== null) state.rates.push(Math.max(0, state.total - state.lastTotal));
  state.lastTotal = state.total;
  state.rates.splice(0, Math.max(0, state.rates.length - 60));
  at("rate").textContent = `${state.rates.at(-1) ?? 0}/s${state.underWay ? `, ${state.underWay} wait` : ""}`;
  spark(at("spark"), state.rates);
  if (map.states.length) showTotals();
  if (map.selected && (state.isStale || map.cellOf(map.selected)?.[3])) look();
}

// ---- the selected host ----

function select(name) {
  map.choose(name);
  at("detail-actions").hidden = false;
  at("detail-title").textContent = name;
  showHosts();
  look();
}

async function look() {
  const name = map.selected;
  state.isStale = false;
  const host = await ask("GET", `/hosts/${encodeURIComponent(name)}`);
  if (!host || name !== map.selected) return;
  at("life").textContent = host.state === "dead" ? "Revive" : "Kill";
  detail(at("detail"), host);
}

// ---- what a person does ----

async function ask(method, path, body) {
  const options = { method, headers: { "X-Inova-Control": "page" } };
  if (body !== undefined) Object.assign(options, { body: JSON.stringify(body), headers: { ...options.headers, "Content-Type": "application/json" } });
  try {
    const answer = await fetch(path, options);
    const content = answer.status === 204 ? {} : await answer.json();
    if (!answer.ok) throw new Error(content.error.message);
    complain("");
    return content;
  } catch (error) {
    complain(error.message);
    return null;
  }
}

function complain(text) {
  at("alert").textContent = text;
  at("alert").hidden = !text;
}

const act = (method, path, body) => ask(method, path, body);

// ---- snapshots ----

async function showSnapshots() {
  const { snapshots } = (await ask("GET", "/snapshots")) ?? { snapshots: [] };
  const known = snapshots.map(({ name, date: when }) => element("option", { value: name }, `${name}, ${date(when)}`));
  at("back").replaceChildren(element("option", { value: "" }, "…"), ...known);
  at("back").disabled = !known.length;
}

async function takeSnapshot() {
  const taken = [...at("back").options].map((option) => Number(/^page-(\d+)$/.exec(option.value)?.[1] ?? 0));
  await act("POST", "/snapshots", { name: `page-${Math.max(0, ...taken) + 1}` });
  await showSnapshots();
}

async function goBack(event) {
  const name = event.target.value;
  event.target.value = "";
  if (name) await act("POST", `/snapshots/${encodeURIComponent(name)}/restore`);
  state.isStale = true;
}

function fromForm() {
  const given = Object.fromEntries(new FormData(at("fault-form")));
  const wants = (name) => !at("fault-form").elements[name].closest("label").hidden;
  const effect = { kind: given.effect };
  for (const name of ["seconds", "fraction"]) if (wants(name)) effect[name] = Number(given[name]);
  if (given.effect === "refuse") Object.assign(effect, { code: given.code, params: given.params ? given.params.split("|").map((text) => text.trim()) : [] });
  const rule = { effect, host: given.host };
  if (wants("message") && given.message !== "*") rule.message = given.message;
  if (wants("at") && given.at) rule.at = given.at;
  if (wants("probability") && given.probability !== "1") rule.probability = Number(given.probability);
  return rule;
}

function fitForm() {
  const kind = at("effect").value;
  const isCall = !["dead", "full-sr", "lost-network", "clock-skew"].includes(kind) || (kind === "dead" && at("fault-form").elements.at.value);
  for (const label of at("fault-form").querySelectorAll("label[data-for]")) {
    const kinds = label.dataset.for.split(" ");
    label.hidden = !(kinds.includes(kind) || (kinds.includes("calls") && isCall));
  }
}

function wire() {
  at("filter").addEventListener("input", (event) => map.filter(event.target.value));
  at("calls-filter").addEventListener("input", showCalls);
  at("hold").addEventListener("click", () => {
    state.isHeld = !state.isHeld;
    at("hold").setAttribute("aria-pressed", String(state.isHeld));
    if (!state.isHeld) showCalls();
  });
  at("pause").addEventListener("click", () => act("PATCH", "/clock", { paused: !state.clock.is_paused }));
  at("step").addEventListener("click", () => act("POST", "/clock/step", {}));
  at("speed").addEventListener("change", (event) => act("PATCH", "/clock", { speed: Number(event.target.value) }));
  at("jump").addEventListener("change", (event) => {
    act("POST", "/clock/jump", { seconds: Number(event.target.value) });
    event.target.value = "";
  });
  at("life").addEventListener("click", () => act("PUT", `/hosts/${encodeURIComponent(map.selected)}/alive`, { alive: at("life").textContent === "Revive" }));
  at("fault-here").addEventListener("click", () => {
    at("fault-form").elements.host.value = map.selected;
    at("effect").focus();
  });
  at("clear").addEventListener("click", () => act("DELETE", "/faults"));
  at("effect").addEventListener("change", fitForm);
  at("fault-form").elements.at.addEventListener("input", fitForm);
  at("fault-form").addEventListener("submit", (event) => {
    event.preventDefault();
    act("POST", "/faults", fromForm());
  });
  at("snapshot").addEventListener("click", takeSnapshot);
  at("back").addEventListener("change", goBack);
  at("back").addEventListener("focus", showSnapshots);
  at("theme").addEventListener("click", () => theme(isDark() ? "light" : "dark"));
}

// ---- dark or light ----

const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function theme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem("theme", name);
  map.draw();
}

async function begin() {
  const remembered = localStorage.getItem("theme");
  if (remembered) document.documentElement.dataset.theme = remembered;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => map.draw());
  wire();
  faults(at("faults"), [], act);
  showCalls();
  const known = await ask("GET", "/faults/vocabulary");
  at("effect").append(...(known?.effects ?? []).map((name) => element("option", { value: name }, name)));
  at("effect").value = "delay";
  at("phases").append(...(known?.phases ?? []).map((name) => element("option", { value: name })));
  fitForm();
  await showSnapshots();
  listen();
  setInterval(eachSecond, LOOK_AGAIN_MS);
}

begin();
