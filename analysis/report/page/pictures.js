// Draws each picture when it comes near the window, in the reader's theme, with the region that is selected.

const NARROW = 480;
// From so many runs on, rate space is drawn by the graphics card, and pictures far from the window are let go.
const MANY = 1500;
const system = matchMedia("(prefers-color-scheme: dark)");
const touch = matchMedia("(pointer: coarse)").matches;
let chosen = null; // the reader's theme, where it is not the system's

function theme() {
  return chosen ?? (system.matches ? "dark" : "light");
}

class Picture {
  constructor(section, plot, contents) {
    Object.assign(this, { section, plot, contents });
    this.near = this.stale = false;
    this.listening = false;
  }

  // The figure, with its rates on the axes that the reader has chosen.
  get content() {
    return this.contents[this.section.scale] ?? this.contents.linear;
  }

  get drawn() {
    return this.plot.classList.contains("js-plotly-plot");
  }

  // Layout that the page decides: theme, margins for the width, and what dragging does.
  layout(layout, narrow) {
    const page = { ...layout, template: common.templates[theme()], autosize: true, uirevision: this.section.scale };
    const panels = layout.meta?.panels;
    if (panels) return this.panelled(page, panels);
    delete page.height;
    if (layout.scene) {
      page.margin = { l: 0, r: 0, t: 0, b: narrow ? 104 : 36 };
      page.scene = { ...page.scene, camera: this.farther(page.scene.camera, narrow ? 1.6 : 1.12) };
    } else {
      page.margin = narrow ? { l: 40, r: 6, t: 16, b: 40 } : { l: 52, r: 10, t: 28, b: 52 };
    }
    // A finger on a picture scrolls the page.
    page.dragmode = layout.scene ? "turntable" : touch ? false : "zoom";
    if (narrow) {
      page.font = { size: 11 };
      page.legend = { font: { size: 11 }, itemwidth: 30 };
      for (const axis of ["xaxis", "yaxis"]) {
        if (page[axis]?.title) page[axis] = { ...page[axis], title: { ...page[axis].title, font: { size: 12 }, standoff: 4 } };
      }
      if (page.coloraxis) {
        const bar = page.coloraxis.colorbar;
        page.coloraxis.colorbar = { ...bar, title: { ...bar.title, font: { size: 12 } }, thickness: 8, xpad: 4 };
        // A scene needs the width.
        const below = { orientation: "h", x: 0.5, y: 0, yanchor: "top", len: 0.9, title: { ...bar.title, side: "top", font: { size: 12 } } };
        if (page.scene) Object.assign(page.coloraxis.colorbar, below);
      }
    }
    return page;
  }

  // Titles of axes do not shrink with the picture, and need room beside it.
  farther(camera, factor) {
    const eye = Object.fromEntries(Object.entries(camera.eye).map(([axis, value]) => [axis, factor * value]));
    return { ...camera, eye };
  }

  // Small multiples in as many columns as there is room for.
  panelled(page, panels) {
    const columns = Math.max(1, Math.min(4, Math.floor(this.plot.clientWidth / 210)));
    const lines = Math.ceil(panels / columns);
    const [panel, title, top, bottom] = [150, 66, 70, 48];
    const inner = lines * panel + (lines - 1) * title;
    page.height = inner + top + bottom;
    this.plot.style.height = `${page.height}px`;
    page.margin = { l: 48, r: 12, t: top, b: bottom };
    page.coloraxis = { ...page.coloraxis, colorbar: { ...page.coloraxis.colorbar, len: 120 } };
    page.annotations = page.annotations.slice(0, panels).map((note) => ({ ...note }));
    const name = (axis, at) => `${axis}axis${at ? at + 1 : ""}`;
    const labels = ["xaxis", "yaxis"].map((axis) =>
      Object.keys(page).filter((key) => key.startsWith(axis)).map((key) => page[key].title?.text).find(Boolean));
    for (let at = 0; name("x", at) in page; at++) {
      const there = at < panels;
      const [line, column] = [Math.floor(at / columns), at % columns];
      const width = (1 - 0.05 * (columns - 1)) / columns;
      const left = column * (width + 0.05);
      const ceiling = 1 - (line * (panel + title)) / inner;
      const below = at + columns < panels;
      const ends = there ? [left, left + width] : [0, 0.01];
      const sides = there ? [ceiling - panel / inner, ceiling] : [0, 0.01];
      page[name("x", at)] = { ...page[name("x", at)], domain: ends, visible: there, showticklabels: !below, title: { text: below ? "" : labels[0], font: { size: 12 } } };
      page[name("y", at)] = { ...page[name("y", at)], domain: sides, visible: there, showticklabels: !column, title: { text: column ? "" : labels[1], font: { size: 12 } } };
      if (there) Object.assign(page.annotations[at], { x: left + width / 2, y: ceiling });
    }
    return page;
  }

  // Traces with what runs say, and of the runs in the region alone, or with the others faint.
  traces(traces) {
    const { section } = this;
    const mask = section.mask;
    return traces.map((trace) => {
      const rows = trace.rows;
      if (rows && trace.meta?.says) {
        const columns = trace.meta.says.map((name) => section.told(name));
        trace.customdata = Array.from(rows, (row) => [inert(section.data.names[row]), ...columns.map((one) => one[row])]);
      }
      if (trace.type === "mesh3d" && mask) trace.opacity = 0.12;
      if (trace.type === "heatmap" && mask && trace.meta?.runs) {
        const cells = trace.meta.runs;
        trace.z = trace.z.map((line, b) => line.map((z, a) => (cells[b][a].some((row) => mask[row]) ? z : null)));
      }
      if (!rows) return trace;
      const flat = trace.type === "bar" || ((trace.type === "scatter" || trace.type === "scattergl") && trace.mode === "markers");
      if (flat) {
        if (mask) trace.selectedpoints = Array.from(rows.keys()).filter((at) => mask[rows[at]]);
        trace.unselected = { marker: { opacity: 0.08 } };
        for (const bars of [trace.error_x, trace.error_y]) {
          if (mask && bars) bars.array = Array.from(bars.array, (error, at) => (mask[rows[at]] ? error : null));
        }
      } else if (mask) {
        trace.x = Array.from(trace.x, (value, at) => (mask[rows[at]] ? value : null));
      }
      return trace;
    });
  }

  figure() {
    const narrow = this.plot.clientWidth < NARROW;
    this.width = this.plot.clientWidth;
    const { data, layout } = this.section.unpacked(this.content);
    return { data: this.traces(data), layout: this.layout(layout, narrow), narrow };
  }

  draw() {
    this.stale = false;
    const { data, layout, narrow } = this.figure();
    this.drawing = true; // what Plotly says meanwhile is not the reader's wish
    const made = Plotly.react(this.plot, data, layout, {
      displaylogo: false,
      // Nothing in this page offers to send its numbers anywhere.
      showSendToCloud: false,
      displayModeBar: touch || narrow ? false : "hover",
      responsive: true,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      toImageButtonOptions: { format: "svg", filename: this.plot.dataset.name },
    });
    made.finally(() => (this.drawing = false));
    if (!this.listening) {
      this.listening = true;
      this.listen();
    }
  }

  // The run under the pointer, or pressed, goes to the panel.
  listen() {
    const row = (event) => {
      const point = event.points?.[0];
      return point?.data.rows ? point.data.rows[point.pointNumber] : null;
    };
    this.plot.on("plotly_hover", (event) => this.section.point(row(event)));
    this.plot.on("plotly_unhover", () => this.section.leave());
    this.plot.on("plotly_click", (event) => this.section.point(row(event), true));
  }

  refresh() {
    this.stale = true;
    if (this.near) schedule(this);
  }

  release() {
    if (!this.drawn) return;
    Plotly.purge(this.plot);
    this.listening = false;
    this.stale = true;
  }
}

// One picture a frame, so that the page answers while many are drawn.
const waiting = new Set();
function schedule(picture) {
  if (!waiting.size) requestAnimationFrame(drawNext);
  waiting.add(picture);
}

function drawNext() {
  const [picture] = waiting;
  waiting.delete(picture);
  if (picture?.near && (picture.stale || !picture.drawn)) picture.draw();
  if (waiting.size) requestAnimationFrame(drawNext);
}

function watch(pictures) {
  const of = new Map(pictures.map((picture) => [picture.plot, picture]));
  const near = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const picture = of.get(entry.target);
        picture.near = entry.isIntersecting;
        if (picture.near && (picture.stale || !picture.drawn)) schedule(picture);
        // A page may hold few pictures of the graphics card, and many large ones are heavy.
        const heavy = picture.section.size > MANY || picture.content.data.some((one) => /3d/.test(one.type));
        if (!picture.near && heavy) picture.release();
      }
    },
    { rootMargin: "400px" },
  );
  pictures.forEach((picture) => near.observe(picture.plot));
  addEventListener("beforeprint", () => pictures.forEach((picture) => picture.drawn || picture.draw()));
  system.addEventListener("change", () => pictures.forEach((picture) => picture.refresh()));
  addEventListener("resize", () => {
    for (const picture of pictures) {
      const changed = picture.width < NARROW !== picture.plot.clientWidth < NARROW || picture.content.layout.meta?.panels;
      if (picture.drawn && picture.width !== picture.plot.clientWidth && changed) picture.refresh();
    }
  });
}

function themeButton(pictures) {
  const button = document.getElementById("theme");
  const apply = () => {
    document.documentElement.style.colorScheme = chosen ?? "light dark";
    button.textContent = `Theme: ${chosen ?? "system"}`;
    pictures.forEach((picture) => picture.refresh());
  };
  try {
    chosen = { light: "light", dark: "dark" }[localStorage.getItem("hit-theme")] ?? null;
  } catch {} // a browser may refuse to remember
  if (chosen) apply();
  button.addEventListener("click", () => {
    const other = system.matches ? "light" : "dark";
    chosen = chosen === null ? other : chosen === other ? (system.matches ? "dark" : "light") : null;
    try {
      if (chosen) localStorage.setItem("hit-theme", chosen);
      else localStorage.removeItem("hit-theme");
    } catch {}
    apply();
  });
}
