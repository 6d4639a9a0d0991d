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
    this.axes = this.data.explorer?.axes ?? []; // metrics on the axes of rate space
    this.scale = this.data.explorer?.scale ?? "linear"; // of the axes of rates
    this.region = null; // [x0, x1, y0, y1] of these axes, any of them null where that side is open
    this.limits = new Map(); // other columns that are brushed, each with its two ends
    this.mask = null; // which rows are selected
    this.row = null; // the run in the panel
    this.held = this.pointed = false;
    this.listeners = { region: [], row: [], application: [], scale: [], plane: [] };
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

  // A column as texts for people, with standard errors where they are known.
  told(name) {
    if (!this.texts.has(name)) {
      const column = this.column(name);
      const packed = this.data.errors[name];
      const errors = packed ? this.array(packed.pool) : null;
      const text = (value, row) => number(value) + (errors?.[row] > 0 ? ` ± ${margin(errors[row])}` : "");
      this.texts.set(name, column ? Array.from(column, text) : Array(this.size).fill("–"));
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
    this.filter();
  }

  // All runs again.
  free() {
    this.limits.clear();
    this.select(null);
  }

  // Both ends of what is selected of a column; null where it is free.
  limit(name) {
    const side = this.axes.indexOf(name);
    const ends = side < 0 ? this.limits.get(name) : this.region?.slice(2 * side, 2 * side + 2);
    return ends?.some((end) => end !== null) ? ends : null;
  }

  // Select by one column; those of rate space are the region's.
  confine(name, ends) {
    const side = this.axes.indexOf(name);
    if (side >= 0) {
      const region = [...(this.region ?? [null, null, null, null])];
      region.splice(2 * side, 2, ...(ends ?? [null, null]));
      this.select(region);
      return;
    }
    if (ends?.some((end) => end !== null)) this.limits.set(name, ends);
    else this.limits.delete(name);
    this.filter();
  }

  filter() {
    const names = [...this.axes, ...this.limits.keys()].filter((name) => this.limit(name));
    this.mask = null;
    if (names.length) {
      // Others are in no picture.
      this.mask = Uint8Array.from(this.data.statuses, (status) => status === "finished");
      for (const name of names) {
        const [column, [low, high]] = [this.column(name), this.limit(name)];
        this.mask.forEach((kept, row) => {
          const value = column[row];
          const within = Number.isFinite(value) && (low === null || value >= low) && (high === null || value <= high);
          if (kept && !within) this.mask[row] = 0;
        });
      }
    }
    this.tell("region");
  }

  // Two other rates on the axes; what is selected stays so.
  turn(axes) {
    const ends = new Map([...this.axes, ...this.limits.keys()].map((name) => [name, this.limit(name)]));
    const region = axes.flatMap((name) => ends.get(name) ?? [null, null]);
    this.limits = new Map([...ends].filter(([name, two]) => two && !axes.includes(name)));
    this.axes = axes;
    this.tell("plane");
    this.select(region);
  }

  rescale(scale) {
    this.scale = scale;
    this.tell("scale");
  }

  count() {
    return this.mask ? this.mask.reduce((sum, one) => sum + one, 0) : this.size;
  }

  // A run is pointed at, or pressed and held.
  point(row, held = false) {
    if (row === null || (this.held && !held)) return;
    this.pointed = true;
    this.show(row, held);
  }

  // Show a run in the panel, unless another one is held.
  show(row, held = false) {
    if (row === null || (this.held && !held)) return;
    this.held = held;
    this.row = row;
    this.tell("row");
  }

  // Nothing is pointed at any more; the panel goes on to show what was.
  leave() {
    if (!this.pointed) return;
    this.pointed = false;
    this.tell("row");
  }

  release() {
    this.held = this.pointed = false;
    this.tell("row");
  }

  choose(application) {
    this.application = application;
    this.tell("application");
  }
}
