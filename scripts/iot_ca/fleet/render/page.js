"use strict";
// The page is complete without this: it adds sorting, filtering and the choice of colours.
(() => {
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  const remembered = {
    get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
    set: (value) => { try { localStorage.setItem("theme", value); } catch { /* a file has none */ } },
  };
  const dark = () =>
    (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "")) === "dark";
  const paint = () => { theme.textContent = dark() ? "☀ Light" : "☾ Dark"; };
  if (["light", "dark"].includes(remembered.get())) root.dataset.theme = remembered.get();
  theme.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    remembered.set(root.dataset.theme);
    paint();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  theme.hidden = false;
  paint();

  const table = document.getElementById("cas");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const chooser = document.getElementById("sort");
  const filter = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const chips = [...document.querySelectorAll(".counts button")];
  const text = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();

  function sort(column, direction) {
    const sign = direction === "descending" ? -1 : 1;
    // In the order of before where two are the same: sorting by one and then another works.
    const order = [...body.rows].sort(
      (a, b) => sign * collator.compare(value(a, column), value(b, column)));
    if (heads[column].dataset.kind === "number") {
      order.sort((a, b) => sign * (Number(value(a, column)) - Number(value(b, column))));
    }
    body.append(...order);
    heads.forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
    chooser.value = String(column);
  }

  function show() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = chips.filter((chip) => chip.ariaPressed === "true").map((chip) => chip.value);
    let count = 0;
    for (const row of rows) {
      const fits = words.every((word) => text.get(row).includes(word))
        && (!states.length || states.includes(row.dataset.state));
      row.hidden = !fits;
      count += fits;
    }
    shown.textContent = `${count} of ${rows.length} shown`;
  }

  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    sort(column, head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending");
  }));
  chooser.addEventListener("change", () => sort(Number(chooser.value), "ascending"));
  filter.addEventListener("input", show);
  chips.forEach((chip) => chip.addEventListener("click", () => {
    chip.ariaPressed = String(chip.ariaPressed !== "true");
    show();
  }));
  document.querySelector(".tools").hidden = false;
  show();
})();
