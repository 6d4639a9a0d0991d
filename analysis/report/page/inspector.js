// The panel beside the pictures: what the run that is pointed at draws, its numbers, and its page in MLflow.

function inspector(section) {
  const panel = section.root.querySelector("aside.run");
  if (!panel) return;
  const parts = [".pin span", ".release", "h4", ".link", ".drawn", "dl"];
  const [pin, release, title, link, drawn, list] = parts.map((one) => panel.querySelector(one));
  float(section, panel);
  release.addEventListener("click", () => section.release());

  function picture(row, index, content, caption) {
    const figure = document.createElement("figure");
    const image = document.createElement("img");
    image.src = `data:image/webp;base64,${content}`;
    image.alt = `${section.data.names[row]}: ${caption}`;
    const words = document.createElement("figcaption");
    words.textContent = caption;
    figure.append(image, words);
    return figure;
  }

  function absence() {
    const text = document.createElement("p");
    text.className = "muted";
    if (section.data.metrics["test/reconstruction_r2"]) {
      text.textContent = "Vectors have no pictures; errors by feature are among what the run's page in MLflow has.";
      return text;
    }
    const embedded = Object.keys(section.drawn.of).length;
    text.textContent = embedded
      ? `What this run draws is not in this page, which has room for that of ${runs(embedded)}; its page in MLflow has it.`
      : "What runs draw is not in this page; their pages in MLflow have it.";
    return text;
  }

  section.on("row", () => {
    const { row } = section;
    if (row === null) return;
    const found = section.data.explorer.applications[section.application];
    const best = found?.row === row ? `Best run for ${found.name}` : "Pointed at";
    pin.textContent = section.held ? "Held" : best;
    release.hidden = !section.held;
    title.textContent = section.data.names[row];
    const url = section.link(row);
    link.replaceChildren();
    if (url) {
      const anchor = document.createElement("a");
      anchor.href = url;
      anchor.textContent = "Open in MLflow";
      link.append(anchor);
    }
    const two = section.pictures(row);
    const shown = (two ?? []).map((content, at) => content && picture(row, at, content, section.drawn.captions[at]));
    drawn.replaceChildren(...(shown.some(Boolean) ? shown.filter(Boolean) : [absence()]));
    list.replaceChildren();
    for (const name of section.data.told) {
      const [term, value] = [document.createElement("dt"), document.createElement("dd")];
      term.innerHTML = section.data.metrics[name].label; // of the schema, with its subscripts
      value.textContent = `${section.told(name)[row]} ${section.data.metrics[name].unit}`;
      list.append(term, value);
    }
  });
}

// Where the panel's place is out of the window, the panel lies over the page for as long as a run is pointed at or held,
// on the other side than the pointer.
function float(section, panel) {
  const place = panel.parentElement;
  let [away, x] = [false, 0];
  const settle = () => {
    const over = away && section.row !== null && (section.pointed || section.held);
    if (over && !panel.classList.contains("afloat")) place.style.minHeight = `${place.offsetHeight}px`;
    if (!over) place.style.minHeight = "";
    panel.classList.toggle("afloat", over);
    panel.classList.toggle("held", section.held);
    panel.classList.toggle("left", x > innerWidth / 2);
  };
  new IntersectionObserver(([entry]) => {
    away = !entry.isIntersecting;
    settle();
  }).observe(place);
  section.root.addEventListener("pointermove", (event) => (x = event.clientX), { passive: true });
  section.on("row", settle);
}
