// The map of hosts: a canvas whose cells grow as large as they can. Ten thousand of them are drawn in a few milliseconds.

const LARGEST = 180;
const SMALLEST = 3;
const NAMED_FROM = 56; // cells of that many pixels have room for a name

export class HostMap {
  constructor(canvas, tip, told, onSelect) {
    Object.assign(this, { canvas, tip, told, onSelect, names: [], cells: [], states: [], shown: [], pointed: -1, selected: "" });
    this.isDue = false;
    canvas.addEventListener("mousemove", (event) => this.pointAt(this.at(event), event));
    canvas.addEventListener("mouseleave", () => this.pointAt(-1));
    canvas.addEventListener("click", (event) => this.select(this.at(event)));
    canvas.addEventListener("keydown", (event) => this.walk(event));
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
  }

  set({ names, cells, states }) {
    Object.assign(this, { names, cells, states });
    this.places = new Map(names.map((name, place) => [name, place]));
    this.filter(this.wanted ?? "");
  }

  change(cells) {
    for (const [name, cell] of Object.entries(cells)) {
      if (!this.places.has(name)) {
        this.places.set(name, this.names.push(name) - 1);
        this.cells.push(cell);
        this.filter(this.wanted ?? "");
      }
      this.cells[this.places.get(name)] = cell;
    }
    this.drawSoon();
  }

  filter(text) {
    this.wanted = text;
    const lower = text.toLowerCase();
    this.shown = this.names.map((_, place) => place).filter((place) => this.names[place].toLowerCase().includes(lower));
    this.pointed = -1;
    this.draw();
  }

  cellOf(name) {
    return this.cells[this.places?.get(name)];
  }

  describe(name) {
    const [state, running, resting, tasks, faults] = this.cellOf(name);
    const parts = [`${running} running`, `${resting} resting`];
    if (tasks) parts.push(`${tasks} under way`);
    if (faults) parts.push(`${faults} ${faults === 1 ? "fault" : "faults"}`);
    return `${name}: ${this.states[state]}, ${parts.join(", ")}`;
  }

  // ---- where things are ----

  measure() {
    const box = this.canvas.parentElement.getBoundingClientRect();
    const count = Math.max(1, this.shown.length);
    let size = Math.min(LARGEST, Math.max(SMALLEST, Math.floor(Math.sqrt((box.width * box.height) / count))));
    while (size > SMALLEST && Math.ceil(count / Math.floor(box.width / size)) * size > box.height) size -= 1;
    Object.assign(this, { size, columns: Math.max(1, Math.floor(box.width / size)), width: box.width, height: box.height });
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / this.size);
    const place = Math.floor((event.clientY - box.top) / this.size) * this.columns + column;
    return column < this.columns && place < this.shown.length ? place : -1;
  }

  // ---- what a person does ----

  pointAt(place, event) {
    this.tip.hidden = place < 0 || !event;
    if (place >= 0) {
      const text = this.describe(this.names[this.shown[place]]);
      this.told.textContent = text;
      if (event) {
        this.tip.textContent = text;
        const box = this.canvas.getBoundingClientRect();
        const left = Math.min(event.clientX - box.left + 14, this.width - this.tip.offsetWidth - 4);
        this.tip.style.left = `${Math.max(0, left)}px`;
        this.tip.style.top = `${Math.min(event.clientY - box.top + 16, this.height - 26)}px`;
      }
    }
    if (place !== this.pointed) {
      this.pointed = place;
      this.drawSoon();
    }
  }

  walk(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, Home: -Infinity, End: Infinity };
    if (event.key === "Enter" || event.key === " ") this.select(this.pointed);
    else if (!(event.key in steps)) return;
    else {
      const from = this.pointed < 0 ? (steps[event.key] > 0 ? -1 : 0) : this.pointed;
      this.pointAt(Math.max(0, Math.min(this.shown.length - 1, from + steps[event.key])));
    }
    event.preventDefault();
  }

  select(place) {
    if (place < 0) return;
    this.choose(this.names[this.shown[place]]);
    this.onSelect(this.selected);
  }

  choose(name) {
    this.selected = name;
    this.drawSoon();
  }

  // ---- the picture ----

  drawSoon() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.isDue = false;
    this.measure();
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(this.width * scale);
    this.canvas.height = Math.round(this.height * scale);
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    const colours = this.colours();
    const gap = this.size > 40 ? 8 : this.size > 12 ? 2 : 1;
    this.shown.forEach((host, place) => this.drawHost(pen, colours, host, place, gap));
    this.drawFrame(pen, colours.text, this.pointed, gap);
    this.drawFrame(pen, colours.accent, this.shown.indexOf(this.places?.get(this.selected) ?? -1), gap);
  }

  drawHost(pen, colours, host, place, gap) {
    const [state, running, resting, tasks, faults] = this.cells[host];
    const [x, y, side] = this.square(place, gap);
    pen.fillStyle = this.states[state] === "up" ? colours.ramp[Math.min(colours.ramp.length - 1, Math.ceil(Math.log2(running + 1)))] : colours[this.states[state]];
    if (side > 12) {
      pen.beginPath();
      pen.roundRect(x, y, side, side, Math.min(8, side / 6));
      pen.fill();
    } else pen.fillRect(x, y, side, side);
    if (faults && (side > 12 || this.states[state] === "up")) this.mark(pen, colours.fault, x, y, side);
    if (tasks) {
      pen.fillStyle = colours.task;
      const bar = Math.max(1, Math.min(6, side / 6));
      pen.fillRect(x, y + side - bar, side, bar);
    }
    if (side >= NAMED_FROM) this.label(pen, colours, host, x, y, side, running > 3 && this.states[state] === "up");
  }

  mark(pen, colour, x, y, side) {
    const thick = side > 40 ? 3 : side > 8 ? 2 : 1;
    pen.strokeStyle = colour;
    pen.lineWidth = thick;
    pen.strokeRect(x + thick / 2, y + thick / 2, side - thick, side - thick);
  }

  label(pen, colours, host, x, y, side, isStrong) {
    const [state, running, resting] = this.cells[host];
    const isDark = isStrong || ["dead", "isolated", "off"].includes(this.states[state]);
    pen.fillStyle = isDark ? colours.onStrong : colours.text;
    const font = Math.max(10, Math.min(14, side / 8));
    pen.font = `600 ${font}px system-ui, sans-serif`;
    pen.fillText(this.names[host], x + 8, y + font + 7, side - 12);
    pen.font = `${font - 1}px system-ui, sans-serif`;
    const text = this.states[state] === "up" ? `${running} of ${running + resting} VMs run` : this.states[state];
    pen.fillText(text, x + 8, y + 2 * font + 12, side - 12);
    if (side >= 90) this.dots(pen, running, resting, x + 8, y + 2 * font + 24, side - 16, side - 2 * font - 34);
  }

  dots(pen, running, resting, x, y, wide, tall) { // one for each VM, as many as there is room for: filled ones run
    const across = Math.floor(wide / 11);
    const room = across * Math.max(0, Math.floor(tall / 11));
    pen.strokeStyle = pen.fillStyle;
    pen.lineWidth = 1;
    for (let place = 0; place < Math.min(running + resting, room); place += 1) {
      const [left, top] = [x + (place % across) * 11, y + Math.floor(place / across) * 11];
      if (place < running) pen.fillRect(left, top, 8, 8);
      else pen.strokeRect(left + 0.5, top + 0.5, 7, 7);
    }
  }

  drawFrame(pen, colour, place, gap) {
    if (place < 0) return;
    const [x, y, side] = this.square(place, gap);
    pen.strokeStyle = colour;
    pen.lineWidth = 2;
    pen.strokeRect(x - 1, y - 1, side + 2, side + 2);
  }

  square(place, gap) {
    const column = place % this.columns;
    const row = Math.floor(place / this.columns);
    return [column * this.size + gap / 2, row * this.size + gap / 2, this.size - gap];
  }

  colours() {
    const style = getComputedStyle(document.documentElement);
    const value = (name) => style.getPropertyValue(`--${name}`).trim();
    const ramp = [0, 1, 2, 3, 4, 5].map((step) => mixed(value("host-up"), value("host-full"), step / 5));
    return {
      ramp, disabled: value("host-disabled"), isolated: value("host-isolated"), off: value("host-off"), dead: value("host-dead"),
      fault: value("mark-fault"), task: value("mark-task"), text: value("text"), accent: value("accent"), onStrong: "#ffffff",
    };
  }
}

function mixed(one, other, part) {
  const [a, b] = [one, other].map((colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));
  return `rgb(${a.map((value, channel) => Math.round(value + (b[channel] - value) * part)).join(" ")})`;
}
