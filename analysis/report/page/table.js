// The table of runs: a page of rows at a time, sorted by any column, of the runs in the region.

const ROWS = 50;

function table(section) {
  const root = section.root.querySelector(".runs");
  const heads = [...root.querySelectorAll("thead th")];
  const [body, told] = [root.querySelector("tbody"), root.querySelector(".pages span")];
  const [previous, next] = [root.querySelector(".previous"), root.querySelector(".next")];
  const columns = section.data.table;
  const number_of = (column) => columns[column - 2]?.name;
  let [sorted, falling, page] = [null, false, 0];

  // Numbers in their order, before what is missing; texts in theirs.
  function order() {
    const rows = Array.from({ length: section.size }, (_, row) => row).filter((row) => !section.mask || section.mask[row]);
    if (sorted === null) return rows;
    const name = number_of(sorted);
    const sign = falling ? -1 : 1;
    if (name) {
      const values = section.column(name);
      return rows.sort((a, b) => {
        const [known, other] = [Number.isFinite(values[a]), Number.isFinite(values[b])];
        return known && other ? sign * (values[a] - values[b]) || a - b : other - known || a - b;
      });
    }
    const texts = sorted === 0 ? section.data.names : sorted === 1 ? section.data.statuses : section.data.starts;
    const collator = new Intl.Collator("en", { numeric: true });
    return rows.sort((a, b) => sign * collator.compare(texts[a], texts[b]) || a - b);
  }

  function line(row) {
    const element = document.createElement("tr");
    const add = (content) => {
      const cell = document.createElement("td");
      cell.append(content);
      element.append(cell);
      return cell;
    };
    const url = section.link(row);
    let name = section.data.names[row];
    if (url) {
      const anchor = document.createElement("a");
      anchor.href = url;
      anchor.textContent = name;
      name = anchor;
    }
    add(name);
    add(section.data.statuses[row]);
    for (const { name: metric, decimals } of columns) {
      add(fixed(section.column(metric)[row], decimals)).className = "number";
    }
    add(section.data.starts[row] || "–").className = "number";
    for (const event of ["mouseenter", "focusin"]) element.addEventListener(event, () => section.point(row));
    for (const event of ["mouseleave", "focusout"]) element.addEventListener(event, () => section.leave());
    return element;
  }

  function fill() {
    const rows = order();
    const pages = Math.max(1, Math.ceil(rows.length / ROWS));
    page = Math.min(page, pages - 1);
    const first = page * ROWS;
    const some = rows.slice(first, first + ROWS);
    body.replaceChildren(...some.map(line));
    told.textContent = rows.length
      ? `${first + 1} to ${first + some.length} of ${runs(rows.length)}${section.mask ? " in the region" : ""}`
      : "No run lies in the region.";
    previous.disabled = page === 0;
    next.disabled = page === pages - 1;
    previous.hidden = next.hidden = pages === 1;
  }

  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      falling = sorted === column && !falling;
      [sorted, page] = [column, 0];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      fill();
    });
  });
  const turn = (by) => () => {
    page += by;
    fill();
    root.querySelector(".scroll").scrollTop = 0;
  };
  previous.addEventListener("click", turn(-1));
  next.addEventListener("click", turn(1));
  section.on("region", () => {
    page = 0;
    fill();
  });
  fill();
}
