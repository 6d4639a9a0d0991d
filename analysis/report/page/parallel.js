// Parallel coordinates: an axis a number, a line a run. Drawn here, since Plotly compiles its own while it runs, which
// the policy of the page forbids.

const SVG = "http://www.w3.org/2000/svg";
const [BAR, FOOT, GAP, STRIP] = [84, 14, 10, 28]; // pixels: colour bar, below, below the titles, where a drag is a brush

function drawn(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

class Parallel extends Picture {
  constructor(section, plot, contents) {
    super(section, plot, contents);
    section.on("row", () => this.mark());
  }

  get drawn() {
    return this.plot.classList.contains("drawn");
  }

  release() {
    this.plot.replaceChildren();
    this.plot.classList.remove("drawn");
  }

  // Runs, colours and axes, unpacked once; a reader may change the order of the axes.
  read() {
    const { data, layout } = this.section.unpacked(this.content);
    const [lines] = data;
    this.rows = lines.rows;
    this.at = new Map(Array.from(lines.rows, (row, at) => [row, at]));
    this.axes = lines.dimensions.map((one) => {
      const [low, high] = one.range ?? [least(one.values), greatest(one.values)];
      return { ...one, low, high: high > low ? high : low + 1, logarithmic: one.name.startsWith("beta_") };
    });
    this.title = layout.coloraxis.colorbar.title.text;
    this.scale = layout.coloraxis.colorscale;
    this.values = lines.line.color;
    this.ends = [least(this.values), greatest(this.values)];
    this.colors = Array.from(this.values, (value) => this.color(value));
  }

  color(value) {
    const share = (value - this.ends[0]) / (this.ends[1] - this.ends[0] || 1);
    const above = Math.max(1, this.scale.findIndex(([at]) => at >= share));
    const [[low, from], [high, to]] = [this.scale[above - 1], this.scale[above]];
    const channel = (text, k) => parseInt(text.slice(1 + 2 * k, 3 + 2 * k), 16);
    const part = Math.min(1, Math.max(0, (share - low) / (high - low)));
    return `rgb(${[0, 1, 2].map((k) => Math.round(channel(from, k) + part * (channel(to, k) - channel(from, k)))).join(",")})`;
  }

  draw() {
    this.stale = false;
    if (!this.axes) this.read();
    const { plot } = this;
    this.width = plot.clientWidth;
    plot.replaceChildren();
    plot.classList.add("parallel", "drawn");
    const height = plot.clientHeight;
    const step = (this.width - BAR) / this.axes.length;
    this.axes.forEach((axis, at) => (axis.x = (at + 0.5) * step));
    const titles = this.axes.map((axis) => this.head(axis, step));
    this.top = Math.max(...titles.map((title) => title.offsetHeight)) + GAP;
    titles.forEach((title) => (title.style.top = `${this.top - GAP - title.offsetHeight}px`));
    this.bottom = height - FOOT;
    this.canvas = document.createElement("canvas");
    const dots = devicePixelRatio || 1;
    Object.assign(this.canvas, { width: this.width * dots, height: height * dots });
    this.sheet = this.canvas.getContext("2d");
    this.sheet.scale(dots, dots);
    this.svg = document.createElementNS(SVG, "svg");
    plot.append(this.canvas, this.svg);
    this.bar();
    this.marked = drawn("g", {}, this.svg);
    this.axes.forEach((axis) => this.axis(axis));
    this.lines();
    this.mark();
    this.svg.addEventListener("pointermove", (event) => event.buttons || this.section.point(this.nearest(event)));
    this.svg.addEventListener("pointerleave", () => this.section.leave());
    this.svg.addEventListener("click", (event) => this.section.point(this.nearest(event), true));
  }

  height(axis, value) {
    return this.bottom - ((value - axis.low) / (axis.high - axis.low)) * (this.bottom - this.top);
  }

  // Those outside the selection faint and below, as in other pictures.
  lines() {
    const { sheet, rows } = this;
    const { mask } = this.section;
    sheet.clearRect(0, 0, this.width, this.plot.clientHeight);
    const faint = common.templates[theme()].layout.xaxis.gridcolor;
    const many = rows.length > 400;
    for (const chosen of mask ? [false, true] : [true]) {
      sheet.lineWidth = many ? 0.8 : 1.3;
      sheet.globalAlpha = chosen && many ? 0.6 : 1;
      rows.forEach((row, at) => {
        if (mask && Boolean(mask[row]) !== chosen) return;
        sheet.strokeStyle = chosen ? this.colors[at] : faint;
        sheet.beginPath();
        for (const axis of this.axes) sheet.lineTo(axis.x, this.height(axis, axis.values[at]));
        sheet.stroke();
      });
    }
  }

  // The run in the panel.
  mark() {
    if (!this.drawn) return;
    this.marked.replaceChildren();
    const at = this.at.get(this.section.row);
    if (at === undefined) return;
    const points = this.axes.map((axis) => `${axis.x},${this.height(axis, axis.values[at])}`).join(" ");
    drawn("polyline", { points, class: "edge" }, this.marked);
    drawn("polyline", { points, stroke: this.colors[at] }, this.marked);
  }

  // The run whose line is under the pointer.
  nearest(event) {
    const box = this.svg.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const right = this.axes.findIndex((axis) => axis.x >= x);
    if (right < 1) return null;
    const [one, other] = [this.axes[right - 1], this.axes[right]];
    const share = (x - one.x) / (other.x - one.x);
    const { mask } = this.section;
    let [best, distance] = [null, 8];
    this.rows.forEach((row, at) => {
      if (mask && !mask[row]) return;
      const here = (1 - share) * this.height(one, one.values[at]) + share * this.height(other, other.values[at]);
      if (Math.abs(here - y) < distance) [best, distance] = [row, Math.abs(here - y)];
    });
    return best;
  }

  // The title, which moves its axis: dragged, or by the arrows. The other arrows move the ends of the brush.
  head(axis, step) {
    const title = document.createElement("button");
    title.type = "button";
    title.innerHTML = axis.label; // of the schema, with its subscripts
    title.title = "Drag, or ← →: move the axis. ↑ ↓: leave out runs below or above. Escape: all.";
    Object.assign(title.style, { width: `${step - 4}px`, left: `${axis.x - step / 2 + 2}px` });
    const move = (to) => {
      const from = this.axes.indexOf(axis);
      this.axes.splice(Math.max(0, Math.min(this.axes.length - 1, to)), 0, ...this.axes.splice(from, 1));
      this.draw();
    };
    title.addEventListener("keydown", (event) => {
      const [low, high] = this.brushed(axis) ?? [axis.low, axis.high];
      const tenth = (axis.high - axis.low) / 10;
      const act = {
        ArrowLeft: () => move(this.axes.indexOf(axis) - 1),
        ArrowRight: () => move(this.axes.indexOf(axis) + 1),
        ArrowUp: () => this.brush(axis, [Math.min(low + tenth, high), high]),
        ArrowDown: () => this.brush(axis, [low, Math.max(high - tenth, low)]),
        Escape: () => this.brush(axis, null),
      }[event.key];
      if (!act) return;
      event.preventDefault();
      const name = axis.name;
      act();
      if (this.stale) this.draw();
      this.plot.querySelectorAll("button")[this.axes.findIndex((one) => one.name === name)].focus();
    });
    title.addEventListener("pointerdown", (event) => {
      title.setPointerCapture(event.pointerId);
      const from = event.clientX;
      title.onpointermove = (other) => (title.style.translate = `${other.clientX - from}px`);
      title.onpointerup = (other) => {
        title.onpointermove = title.onpointerup = null;
        title.style.translate = "";
        const by = Math.round((other.clientX - from) / step);
        if (by) move(this.axes.indexOf(axis) + by);
      };
    });
    this.plot.append(title);
    return title;
  }

  axis(axis) {
    const group = drawn("g", { transform: `translate(${axis.x} 0)` }, this.svg);
    drawn("line", { y1: this.top, y2: this.bottom, class: "axis" }, group);
    const ticks = axis.tickvals?.map((value, at) => [value, axis.ticktext[at]]) ?? rounds(axis.low, axis.high);
    for (const [value, text] of ticks) {
      const y = this.height(axis, value);
      drawn("line", { x1: -4, y1: y, y2: y, class: "axis" }, group);
      drawn("text", { x: -7, y: y + 4 }, group).textContent = text;
    }
    const shade = drawn("rect", { x: -7, width: 14, class: "brush" }, group);
    const show = (ends) => {
      shade.toggleAttribute("hidden", !ends);
      if (!ends) return;
      const [low, high] = ends.map((end) => this.height(axis, Math.max(axis.low, Math.min(axis.high, end))));
      shade.setAttribute("y", high);
      shade.setAttribute("height", Math.max(2, low - high));
    };
    show(this.brushed(axis));
    const strip = drawn("rect", { x: -STRIP / 2, y: this.top, width: STRIP, height: this.bottom - this.top, class: "strip" }, group);
    const value = (event) => {
      const share = (this.bottom - event.clientY + this.svg.getBoundingClientRect().top) / (this.bottom - this.top);
      return axis.low + Math.max(0, Math.min(1, share)) * (axis.high - axis.low);
    };
    // A drag in the brush moves it, another one makes it anew, and a press alone frees the axis.
    strip.addEventListener("pointerdown", (event) => {
      strip.setPointerCapture(event.pointerId);
      const [from, start, old] = [value(event), event.clientY, this.brushed(axis)];
      const inside = old && from > old[0] && from < old[1];
      let ends = old;
      strip.onpointermove = (other) => {
        const by = value(other) - from;
        ends = inside ? old.map((end) => end + by) : [Math.min(from, from + by), Math.max(from, from + by)];
        show(ends);
      };
      strip.onpointerup = (other) => {
        strip.onpointermove = strip.onpointerup = null;
        this.brush(axis, Math.abs(other.clientY - start) < 4 ? null : ends);
      };
    });
    strip.addEventListener("click", (event) => event.stopPropagation());
  }

  // The selection's ends on an axis, in its own numbers; null where it is free.
  brushed(axis) {
    const ends = this.section.limit(axis.name);
    if (!ends) return null;
    const own = (end, open) => (end === null ? open : axis.logarithmic ? Math.log10(Math.max(end, 1e-300)) : end);
    return [own(ends[0], axis.low), own(ends[1], axis.high)];
  }

  // A brush that reaches an end of the axis is open there.
  brush(axis, ends) {
    const own = (end) => Number((axis.logarithmic ? 10 ** end : end).toPrecision(6));
    const open = ends && [ends[0] <= axis.low ? null : own(ends[0]), ends[1] >= axis.high ? null : own(ends[1])];
    this.section.confine(axis.name, open);
  }

  bar() {
    const { top, bottom, svg } = this;
    const name = `bar-${this.section.root.id}`;
    const gradient = drawn("linearGradient", { id: name, x1: 0, x2: 0, y1: 1, y2: 0 }, drawn("defs", {}, svg));
    for (const [at, color] of this.scale) drawn("stop", { offset: at, "stop-color": color }, gradient);
    const x = this.width - BAR + 14;
    drawn("rect", { x, y: top, width: 12, height: bottom - top, fill: `url(#${name})` }, svg);
    const [low, high] = this.ends;
    for (const [value, text] of rounds(low, high)) {
      const y = bottom - ((value - low) / (high - low || 1)) * (bottom - top);
      drawn("text", { x: x + 16, y: y + 4, class: "left" }, svg).textContent = text;
    }
    const title = document.createElement("span");
    title.innerHTML = this.title;
    title.style.top = `${top}px`;
    title.style.height = `${bottom - top}px`;
    this.plot.append(title);
  }
}

function least(values) {
  return values.reduce((a, b) => Math.min(a, b), Infinity);
}

function greatest(values) {
  return values.reduce((a, b) => Math.max(a, b), -Infinity);
}

// Round numbers from low to high, about five, each with its text.
function rounds(low, high) {
  const rough = (high - low) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, k) => {
    const value = Number(((first + k) * step).toPrecision(8));
    return [value, String(value).replace("-", "−")];
  });
}
