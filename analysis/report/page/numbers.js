// Numbers for people (analysis.figures.style.number, in this language), and texts that Plotly shows and does not obey.

function number(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  let text;
  if (0 < size && size < 0.1) {
    text = value.toFixed(digits).replace(/0+$/, "");
    if (!/[1-9]/.test(text)) text = `${value < 0 ? ">−" : "<"}${(10 ** -digits).toFixed(digits)}`;
  } else if (size < 10 ** digits) {
    text = String(Number(value.toPrecision(digits)));
  } else {
    text = value.toFixed(0);
  }
  return text.replace("-", "−");
}

// What stands after ± (analysis.figures.style.margin): never a bound.
function margin(error) {
  const text = number(error, 2);
  return /^[<>]/.test(text) ? error.toFixed(-Math.floor(Math.log10(error))) : text;
}

function fixed(value, decimals) {
  if (!Number.isFinite(value)) return "–";
  return decimals === null ? number(value) : value.toFixed(decimals).replace("-", "−");
}

function inert(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function runs(count) {
  return `${count} run${count === 1 ? "" : "s"}`;
}
