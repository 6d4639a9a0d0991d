"use strict";
// Draws each picture when it comes near the window, in the theme of the reader, and sorts the table of runs.
(() => {
  const NARROW = 480;
  const templates = JSON.parse(document.getElementById("templates").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;
  const drawn = new Map();

  function fitted(layout, narrow) {
    const page = { ...layout, template: templates[dark.matches ? "dark" : "light"], autosize: true };
    page.margin = narrow ? { l: 40, r: 6, t: 16, b: 40 } : { l: 52, r: 10, t: 28, b: 52 };
    // A finger on a picture scrolls the page.
    page.dragmode = touch ? false : "zoom";
    if (narrow) {
      page.font = { size: 11 };
      page.legend = { font: { size: 11 }, itemwidth: 30 };
      for (const axis of ["xaxis", "yaxis"]) page[axis].title = { ...page[axis].title, font: { size: 12 }, standoff: 4 };
      if (page.coloraxis) {
        const bar = page.coloraxis.colorbar;
        bar.title.font = { size: 12 };
        Object.assign(bar, { thickness: 8, xpad: 4 });
      }
    }
    return page;
  }

  function draw(plot) {
    if (!drawn.has(plot)) {
      drawn.set(plot, JSON.parse(plot.parentElement.querySelector("script").textContent));
    }
    const { data, layout } = drawn.get(plot);
    const narrow = plot.clientWidth < NARROW;
    plot.dataset.narrow = narrow;
    // Plotly writes into what it is given; the next theme starts from the original.
    Plotly.react(plot, structuredClone(data), fitted(structuredClone(layout), narrow), {
      displaylogo: false,
      // Nothing in this page offers to send its numbers anywhere.
      showSendToCloud: false,
      displayModeBar: touch || narrow ? false : "hover",
      responsive: true,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      toImageButtonOptions: { format: "svg", filename: plot.dataset.name },
    });
  }

  const plots = [...document.querySelectorAll(".plot")];
  const near = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) {
          near.unobserve(entry.target);
          draw(entry.target);
        }
      }
    },
    { rootMargin: "800px" },
  );
  plots.forEach((plot) => near.observe(plot));
  addEventListener("beforeprint", () => plots.filter((plot) => !drawn.has(plot)).forEach(draw));
  dark.addEventListener("change", () => drawn.forEach((_, plot) => draw(plot)));
  addEventListener("resize", () => {
    drawn.forEach((_, plot) => {
      if (String(plot.clientWidth < NARROW) !== plot.dataset.narrow) draw(plot);
    });
  });

  function key(row, column) {
    const cell = row.cells[column];
    return "key" in cell.dataset ? Number(cell.dataset.key) : cell.textContent;
  }

  // Numbers in their order, before texts (a missing number is a dash) in theirs.
  function compare(a, b) {
    if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
    return typeof a === "number" ? -1 : 1;
  }

  document.querySelectorAll(".sortable").forEach((table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const falling = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].map((row) => [key(row, column), row]);
        rows.sort(([a], [b]) => (typeof a === typeof b && falling ? compare(b, a) : compare(a, b)));
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    });
  });
})();
