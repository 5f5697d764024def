// What the theme leaves out for readers who use a keyboard or hear the page.

// The arrows of the sidebar are drawn, not named.
for (const summary of document.querySelectorAll("li.has-children > details > summary")) {
  const parent = summary.closest("li").querySelector("a");
  summary.setAttribute("aria-label", `Pages below ${parent.textContent.trim()}`);
}

// What scrolls sideways says so and can be reached by key; equations get their width when they are set.
const hints = new Map();
const reach = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const scrolls = target.scrollWidth > target.clientWidth;
    target.classList.toggle("scrolls", scrolls);
    hints.get(target).hidden = !scrolls;
    if (scrolls) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
const WIDE = "div.math, .pst-scrollable-table-container, .tokenlab-table, div.highlight:not(.cell_output *) > pre";
for (const wide of document.querySelectorAll(WIDE)) {
  const hint = document.createElement("p");
  Object.assign(hint, { className: "scroll-hint", textContent: "scroll sideways →", hidden: true });
  // Readers who hear the page have nothing to scroll.
  hint.setAttribute("aria-hidden", "true");
  wide.before(hint);
  hints.set(wide, hint);
  reach.observe(wide);
}

// The bibliography is marked as a list whose entries are none.
for (const entry of document.querySelectorAll(".citation-list, .citation")) entry.removeAttribute("role");
