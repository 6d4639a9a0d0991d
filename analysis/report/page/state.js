// What a section knows and what its reader has chosen; pictures, panel and table ask here and are told of changes.

const common = JSON.parse(document.getElementById("common").textContent);
const TYPES = { f4: Float32Array, i4: Int32Array };

class Section {
  constructor(root) {
    this.root = root;
    this.data = JSON.parse(root.querySelector("script.data").textContent);
    this.size = this.data.ids.length;
    this.arrays = new Map();
    this.texts = new Map();
    this.application = 0;
    this.region = null; // [x0, x1, y0, y1], any of them null where that side is open
    this.mask = null; // which rows are in the region
    this.row = null; // the run in the panel
    this.held = false;
    this.listeners = { region: [], row: [], application: [] };
  }

  // The k-th array of the page, decoded when it is first needed.
  array(k) {
    if (!this.arrays.has(k)) {
      const [type, text] = this.data.pool[k];
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      this.arrays.set(k, new TYPES[type](bytes.buffer));
    }
    return this.arrays.get(k);
  }

  // A figure, or any part of one, with its arrays in their places.
  unpacked(value) {
    if (Array.isArray(value)) return value.map((one) => this.unpacked(one));
    if (value === null || typeof value !== "object") return value;
    if ("pool" in value) return this.array(value.pool);
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, this.unpacked(one)]));
  }

  column(name) {
    const packed = this.data.columns[name];
    return packed ? this.array(packed.pool) : null;
  }

  // A column as texts for people.
  told(name) {
    if (!this.texts.has(name)) {
      const column = this.column(name);
      this.texts.set(name, column ? Array.from(column, (value) => number(value)) : Array(this.size).fill("–"));
    }
    return this.texts.get(name);
  }

  link(row) {
    if (!common.base_url) return null;
    const part = (text) => encodeURIComponent(text);
    const path = `experiments/${part(this.data.experiments[row])}/runs/${part(this.data.ids[row])}`;
    return `${common.base_url}/#/${path}?workflowType=machine_learning`;
  }

  // Reconstructions and samples of a run, as parsed when first asked for.
  pictures(row) {
    this.drawn ??= JSON.parse(this.root.querySelector("script.pictures").textContent);
    return this.drawn.of[row] ?? null;
  }

  on(event, listener) {
    this.listeners[event].push(listener);
  }

  tell(event) {
    for (const listener of this.listeners[event]) listener();
  }

  select(region) {
    this.region = region && region.some((end) => end !== null) ? region : null;
    this.mask = null;
    if (this.region) {
      const [x, y] = this.data.explorer.axes.map((name) => this.column(name));
      const [x0, x1, y0, y1] = this.region;
      // Others are in no picture.
      const done = (row) => this.data.statuses[row] === "finished";
      const within = (value, low, high) =>
        Number.isFinite(value) && (low === null || value >= low) && (high === null || value <= high);
      this.mask = Uint8Array.from(x, (value, row) => done(row) && within(value, x0, x1) && within(y[row], y0, y1));
    }
    this.tell("region");
  }

  count() {
    return this.mask ? this.mask.reduce((sum, one) => sum + one, 0) : this.size;
  }

  // Show a run in the panel: for as long as it is pointed at, or held.
  show(row, held = false) {
    if (row === null || (this.held && !held)) return;
    this.held = held;
    this.row = row;
    this.tell("row");
  }

  release() {
    this.held = false;
    this.tell("row");
  }

  choose(application) {
    this.application = application;
    this.tell("application");
  }
}
