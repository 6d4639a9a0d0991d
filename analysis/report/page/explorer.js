// Rate space: the brush, the region of the application, the colours, and a way from run to run by keys.

class Explorer extends Picture {
  constructor(section, plot) {
    super(section, plot, section.data.explorer.figures);
    this.color = section.root.querySelector("select.color")?.value;
    this.ring = document.createElement("div");
    this.ring.className = "ring";
    this.ring.hidden = true;
    plot.parentElement.append(this.ring);
    section.on("row", () => this.mark());
    for (const event of ["region", "application", "scale"]) section.on(event, () => this.refresh());
    section.on("plane", () => {
      const { planes, figures } = section.data.explorer;
      this.contents = planes[this.axes.join(" ")] ?? figures;
      this.refresh();
    });
    plot.addEventListener("keydown", (event) => this.key(event));
    plot.addEventListener("focus", () => section.show(section.row ?? this.recommended()?.row ?? null));
  }

  get axes() {
    return this.section.axes;
  }

  // Which trace the runs are.
  get points() {
    return this.content.data.findIndex((trace) => trace.rows);
  }

  recommended() {
    return this.section.data.explorer.applications[this.section.application] ?? null;
  }

  layout(layout, narrow) {
    const page = super.layout(layout, narrow);
    page.uirevision = `${this.section.scale} ${this.axes}`;
    page.dragmode = touch ? false : "select";
    const declared = this.section.data.metrics[this.color];
    if (declared) {
      page.coloraxis.colorscale = common.colorscales[declared.direction ?? "maximize"];
      page.coloraxis.colorbar.title.text = declared.axis;
    }
    const region = this.section.region;
    if (region) {
      const [x, y] = this.ends(page);
      const box = { x0: region[0] ?? x[0], x1: region[1] ?? x[1], y0: region[2] ?? y[0], y1: region[3] ?? y[1] };
      page.shapes = [{ type: "rect", ...box, line: { color: common.accent, width: 2, dash: "dot" } }];
    }
    page.selections = [];
    return page;
  }

  // Both ends of both axes.
  ends(layout) {
    return [layout.xaxis, layout.yaxis].map((axis) => axis.range.map((end) => (axis.type === "log" ? 10 ** end : end)));
  }

  // Where a run or a corner stands: no lower than the lower end of logarithmic axes.
  placed(value, side) {
    const floor = this.content.layout.meta?.floors?.[side];
    return value === undefined || value === null || !floor ? value : Math.max(value, floor);
  }

  traces(traces) {
    const drawn = super.traces(traces);
    const points = drawn[this.points];
    const colors = this.section.column(this.color);
    if (colors) points.marker = { ...points.marker, color: Array.from(points.rows, (row) => colors[row]) };
    if (this.section.size > MANY && graphics()) points.type = "scattergl";
    const found = this.recommended();
    if (!found) return drawn;
    const others = this.section.data.explorer.applications.filter((other) => other !== found && other.outline?.y !== null);
    return [...drawn, ...others.map((other) => this.beside(other)), ...this.target(found)];
  }

  // The outline of a region: of more than two layers, a rectangle in any plane.
  outline(found) {
    if (!found.sides) return found.outline;
    const [[left, right], [bottom, top]] = this.axes.map((name) => found.sides[name]);
    return { x: [left, right, right, left, left], y: [bottom, bottom, top, top, bottom] };
  }

  // The same where it is drawn: of one layer, from the lower to the upper end.
  corners(found) {
    let { x, y } = this.outline(found);
    if (y === null) {
      const [, [low, high]] = this.ends(this.content.layout);
      [x, y] = [[x[0], x[1], x[1], x[0], x[0]], [low, low, high, high, low]];
    }
    return { x: x.map((one) => this.placed(one, "x")), y: y.map((one) => this.placed(one, "y")) };
  }

  // The region of another application, as a thin outline with its name on its upper side.
  beside(other) {
    const corners = this.corners(other);
    const line = { color: other.color, width: 1.5, dash: "dot" };
    const top = corners.y.flatMap((y, at) => (y === Math.max(...corners.y) ? [at] : []));
    const text = corners.y.map((_, at) => (at === top[Math.floor(top.length / 2)] ? other.name : ""));
    const font = { textposition: "top center", cliponaxis: false };
    return { type: "scatter", mode: "lines+text", ...corners, text, ...font, line, showlegend: false, hoverinfo: "skip" };
  }

  // The region that the application asks for, and its best run.
  target(found) {
    const [x, y] = this.axes.map((name, at) => this.placed(this.section.column(name)[found.row], "xy"[at]));
    // Open, so that the run's own colour is seen.
    const marker = { color: found.color, symbol: `${found.symbol}-open`, size: 17, line: { width: 3 } };
    const best = { type: "scatter", mode: "markers", x: [x], y: [y], name: `best for ${found.name}`, marker, hoverinfo: "skip" };
    const corners = this.corners(found);
    // Dashed and empty where it says little, as in the pictures of all regions.
    const line = { color: found.color, width: 2, dash: found.hedge ? "dash" : "solid" };
    const area = found.hedge ? { line } : { line, fill: "toself", fillcolor: `${found.color}33` };
    const name = `region to target${found.hedge && ` (${found.hedge})`}`;
    return [{ type: "scatter", mode: "lines", ...corners, ...area, name, hoverinfo: "skip" }, best];
  }

  listen() {
    super.listen();
    const { plot, section } = this;
    plot.on("plotly_selected", (event) => {
      if (!event?.range || this.drawing) return;
      const ends = [...event.range.x, ...event.range.y];
      const sorted = [Math.min(ends[0], ends[1]), Math.max(ends[0], ends[1]), Math.min(ends[2], ends[3]), Math.max(ends[2], ends[3])];
      // What stands at the lower end of a logarithmic axis is there or below.
      const floors = [this.placed(0, "x"), null, this.placed(0, "y"), null];
      section.select(sorted.map((end, at) => (floors[at] && end <= floors[at] ? null : Number(end.toPrecision(4)))));
    });
    plot.on("plotly_deselect", () => this.drawing || section.select(null));
    plot.on("plotly_afterplot", () => this.mark());
    plot.on("plotly_relayout", () => this.mark());
  }

  // A ring around the run in the panel; an element of the page, since drawing all points again would take long.
  mark() {
    const { row } = this.section;
    const full = this.plot._fullLayout;
    if (row === null || !full?.xaxis) return;
    const [x, y] = this.axes.map((name) => this.section.column(name)?.[row]);
    this.ring.hidden = !(Number.isFinite(x) && Number.isFinite(y));
    if (this.ring.hidden) return;
    this.ring.style.left = `${this.plot.offsetLeft + full.xaxis._offset + full.xaxis.d2p(this.placed(x, "x"))}px`;
    this.ring.style.top = `${this.plot.offsetTop + full.yaxis._offset + full.yaxis.d2p(this.placed(y, "y"))}px`;
    this.ring.classList.toggle("held", this.section.held);
  }

  key(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const { section } = this;
    if (event.key in ways) {
      const row = this.neighbour(...ways[event.key]);
      if (row !== null) section.show(row, section.held);
    } else if (event.key === "Enter" && section.row !== null) {
      section.show(section.row, true);
      section.root.querySelector("aside.run a")?.focus();
    } else if (event.key === "Escape") {
      section.release();
    } else {
      return;
    }
    event.preventDefault();
  }

  // The nearest run within 45° of a direction, as one sees it.
  neighbour(right, up) {
    const { section, plot } = this;
    const full = plot._fullLayout;
    if (!full?.xaxis) return null;
    const [x, y] = this.axes.map((name) => section.column(name));
    const rows = section.unpacked(this.content.data[this.points].rows);
    const at = (row) => [full.xaxis.d2p(this.placed(x[row], "x")), -full.yaxis.d2p(this.placed(y[row], "y"))];
    const from = section.row !== null && Number.isFinite(x[section.row]) ? at(section.row) : at(rows[0]);
    let [best, least] = [null, Infinity];
    for (const row of rows) {
      if (row === section.row || (section.mask && !section.mask[row])) continue;
      const [across, along] = [at(row)[0] - from[0], at(row)[1] - from[1]];
      const ahead = across * right + along * up;
      const aside = Math.abs(across * up) + Math.abs(along * right);
      if (ahead > 0 && aside <= ahead && Math.hypot(ahead, aside) < least) [best, least] = [row, Math.hypot(ahead, aside)];
    }
    return best;
  }
}

let drawsByCard = null;
function graphics() {
  drawsByCard ??= Boolean(document.createElement("canvas").getContext("webgl"));
  return drawsByCard;
}

// The switch, the colours, and the region in numbers.
function controls(section, map) {
  const { root } = section;
  for (const input of root.querySelectorAll(".switch input")) {
    input.addEventListener("change", () => section.choose(Number(input.value)));
  }
  section.on("application", () => {
    for (const sentence of root.querySelectorAll(".sentence, .best")) {
      sentence.hidden = Number(sentence.dataset.application) !== section.application;
    }
    section.release();
    section.show(map.recommended().row);
  });
  const color = root.querySelector("select.color");
  color.addEventListener("change", () => {
    map.color = color.value;
    map.refresh();
  });
  const scale = root.querySelector("select.scale");
  scale.value = section.scale;
  scale.addEventListener("change", () => section.rescale(scale.value));
  planes(section);
  const ends = ["x0", "x1", "y0", "y1"].map((end) => root.querySelector(`.region input[data-end=${end}]`));
  const value = (input) => (input.value === "" || !Number.isFinite(input.valueAsNumber) ? null : input.valueAsNumber);
  ends.forEach((input) => input.addEventListener("change", () => section.select(ends.map(value))));
  root.querySelector(".region .clear").addEventListener("click", () => section.free());
  root.querySelector(".region .recommended")?.addEventListener("click", () => {
    const { x, y } = map.outline(map.recommended());
    const low = (list) => (list?.length ? Number(Math.min(...list).toPrecision(6)) : null);
    const high = (list) => (list?.length ? Number(Math.max(...list).toPrecision(6)) : null);
    section.select([low(x), high(x), low(y), high(y)]);
  });
  const told = root.querySelector(".region output");
  section.on("region", () => {
    ends.forEach((input, at) => {
      input.value = section.region?.[at] ?? "";
    });
    told.textContent = section.mask ? `${section.count()} of ${runs(section.size)} selected` : runs(section.size);
  });
}

// Which two layers are on the axes, the higher one up; models of one or two layers have no choice.
function planes(section) {
  const { root } = section;
  const [across, up] = ["across", "up"].map((name) => root.querySelector(`select.${name}`));
  if (!across) return;
  [across.value, up.value] = section.axes;
  const offer = () => {
    for (const option of up.options) option.disabled = option.index < across.selectedIndex;
    if (up.selectedOptions[0].disabled) up.selectedIndex = across.selectedIndex;
    section.turn([across.value, up.value]);
  };
  for (const select of [across, up]) select.addEventListener("change", offer);
  for (const option of up.options) option.disabled = option.index < across.selectedIndex;
  const labels = root.querySelectorAll(".region .side > span");
  section.on("plane", () => {
    labels.forEach((label, at) => (label.innerHTML = section.data.metrics[section.axes[at]].axis)); // of the schema
  });
}
