// How a page is laid out, asked of an opened page. Each function returns a list of what is wrong.

const SLACK = 1; // pixels, for widths that are rounded
const SMALLEST = 11; // pixels of a label in a picture

const drawn = (element) => element.getClientRects().length > 0;
const article = () => document.querySelector("article") ?? document.body;
const named = (element) => {
  const words = (element.innerText ?? element.textContent ?? "").trim().replace(/\s+/g, " ");
  const name = [element.tagName.toLowerCase(), ...element.classList].join(".");
  return `${name}: ${[...words].slice(0, 60).join("")}`;
};
const boxes = () =>
  [...article().querySelectorAll(":not(svg *, span.math, mjx-container, mjx-container *)")].filter(
    (e) => drawn(e) && e.clientWidth > SLACK && !(e instanceof SVGElement),
  );
const scrollsSideways = (e) => ["auto", "scroll"].includes(getComputedStyle(e).overflowX);
const isWide = (e) => e.scrollWidth > e.clientWidth + SLACK;

const saysSo = (e) => e.previousElementSibling?.matches(".scroll-hint") && drawn(e.previousElementSibling);

// Outputs, tables, equations, lines of code and pictures that the column cuts or that leave it. The
// width of an inline formula's own box counts hidden parts, so that its edge is looked at.
function tooWide() {
  const end = article().getBoundingClientRect().right + SLACK;
  const wide = boxes().filter((e) => isWide(e) && e.tagName !== "INPUT");
  const beyond = [...article().querySelectorAll("svg, table, pre, img, mjx-container")].filter(
    (e) => drawn(e) && e.getBoundingClientRect().right > end,
  );
  // The innermost is the cause.
  const causes = wide.filter((e) => !wide.some((other) => other !== e && e.contains(other)));
  return [...causes, ...beyond.filter((e) => !wide.some((other) => other.contains(e)))].map(named);
}

// The size of a text as it is seen: a raised or lowered sign may be smaller than its word.
function seenSize(text) {
  const parts = [text, ...text.querySelectorAll("tspan")].filter((e) => e.textContent.trim());
  const { a, b } = text.getScreenCTM();
  return Math.max(...parts.map((e) => parseFloat(getComputedStyle(e).fontSize))) * Math.hypot(a, b);
}

function smallLabels() {
  return [...article().querySelectorAll("svg[role='img'] text")]
    .filter((text) => drawn(text) && text.textContent.trim())
    .map((text) => [text, seenSize(text)])
    .filter(([, size]) => size < SMALLEST - 0.05)
    .map(([text, size]) => `${size.toFixed(1)} px: ${text.textContent.trim().slice(0, 60)}`);
}

function punctuationFirst() {
  return [...article().querySelectorAll("h1, h2, h3, h4, h5, h6, li, dt, figcaption, caption")]
    .filter((e) => /^(?:[,;:!?)\]}–—·]|\.(?![\w.]))/.test((e.innerText ?? "").trim()))
    .map(named);
}

// Equations of their own line that have to be scrolled, and formulas wider than their paragraph.
function wideEquations() {
  const lines = [...article().querySelectorAll("div.math")].filter((e) => drawn(e) && isWide(e));
  const column = article().getBoundingClientRect();
  const inline = [...article().querySelectorAll("mjx-container:not([display])")].filter(
    (e) => drawn(e) && e.getBoundingClientRect().right > column.right + SLACK && !boxes().some((b) => scrollsSideways(b) && b.contains(e)),
  );
  return [...lines, ...inline].map((e) => `${e.scrollWidth - e.clientWidth} px too wide, ${named(e)}`);
}

// What can be scrolled sideways and does not say so; equations have to fit.
function silentScrolling() {
  return boxes()
    .filter((e) => scrollsSideways(e) && isWide(e) && !e.matches("div.math") && !saysSo(e))
    .map(named);
}

// Links to single claims that have not become a badge, and badges that lead to no claim.
function lostBadges() {
  const kinds = ["computed", "recorded", "beyond"];
  return [...article().querySelectorAll("a[href*='claims.html']")]
    .filter((a) => a.classList.contains("claim") !== kinds.includes(a.textContent.trim()) || (a.classList.contains("claim") && !a.hash))
    .map(named);
}
