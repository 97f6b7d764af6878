"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  // Values of points, on hover and on focus; arrow keys go from point to point.
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  const show = (element) => {
    tip.textContent = element.getAttribute("aria-label");
    tip.hidden = false;
    const box = element.getBoundingClientRect();
    const width = tip.offsetWidth;
    const left = Math.min(Math.max(8, box.left + box.width / 2 - width / 2), root.clientWidth - width - 8);
    const above = box.top - tip.offsetHeight - 8;
    tip.style.left = `${left}px`;
    tip.style.top = `${above < 8 ? box.bottom + 8 : above}px`;
  };
  const hide = () => { tip.hidden = true; };
  for (const point of document.querySelectorAll(".point")) {
    point.querySelector("title")?.remove();
    point.addEventListener("pointerenter", () => show(point));
    point.addEventListener("pointerleave", hide);
    point.addEventListener("focus", () => show(point));
    point.addEventListener("blur", hide);
  }
  for (const chart of document.querySelectorAll("svg.chart")) {
    const points = [...chart.querySelectorAll(".point")];
    points.forEach((point, i) => point.setAttribute("tabindex", i ? "-1" : "0"));
    chart.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -points.length, End: points.length };
      const at = points.indexOf(event.target);
      if (!(event.key in steps) || at < 0) return;
      event.preventDefault();
      const to = points[Math.min(Math.max(at + steps[event.key], 0), points.length - 1)];
      points[at].setAttribute("tabindex", "-1");
      to.setAttribute("tabindex", "0");
      to.focus();
    });
  }
  addEventListener("scroll", hide, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // A link to a closed block opens it.
  const open = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target?.matches("details")) target.open = true;
  };
  addEventListener("hashchange", open);
  open();
  // Paper has no way to open what is closed.
  addEventListener("beforeprint", () => {
    for (const block of document.querySelectorAll("details.block")) block.open = true;
  });
  // One sound at a time.
  document.addEventListener("play", (event) => {
    for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
  }, true);

  // Tables that are sorted by a column.
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    for (const head of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const falling = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const key = (row) => {
          const cell = row.cells[head.cellIndex];
          return "order" in cell.dataset ? Number(cell.dataset.order) : cell.textContent.trim();
        };
        const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b
          : String(a).localeCompare(String(b), undefined, { numeric: true }));
        rows.sort((a, b) => (falling ? -1 : 1) * compare(key(a), key(b)));
        body.append(...rows);
      });
    }
  }

  // The table of verdicts: filter, search.
  const table = document.getElementById("verdict-table");
  if (!table) return;
  const rows = [...table.tBodies[0].rows];
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const search = document.getElementById("search");
  const status = document.getElementById("matches");
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = document.querySelector("input[name=outcome]:checked").value;
    let shown = 0;
    for (const row of rows) {
      const passes = wanted === "all" || row.dataset.outcome !== "holds";
      row.hidden = !(passes && words.every((word) => texts.get(row).includes(word)));
      shown += !row.hidden;
    }
    status.textContent = `${shown} of ${rows.length} shown`;
  };
  search.addEventListener("input", filter);
  for (const input of document.querySelectorAll("input[name=outcome]")) input.addEventListener("change", filter);
  filter();
})();
