"use strict";
const filter = document.getElementById("filter");
const shown = document.getElementById("shown");
const rows = Array.from(document.getElementById("rows").children);
filter.addEventListener("input", () => {
  const text = filter.value.toLowerCase();
  let count = 0;
  for (const row of rows) {
    const matches = row.textContent.toLowerCase().includes(text);
    row.hidden = !matches;
    count += matches ? 1 : 0;
  }
  shown.textContent = text ? count + " of " + rows.length : "";
});
