// What the browser tests ask of an opened page. Each function returns a list of what is wrong.

const shown = (element) => element.getClientRects().length > 0;

function missingImages() {
  return [...document.images].filter((i) => !i.complete || i.naturalWidth === 0).map((i) => i.src);
}

// The theme draws icons by a script that may lack one.
function missingIcons() {
  const undrawn = [...document.querySelectorAll("i.fas, i.fab, i.far, i[class*='fa-']")];
  const empty = [...document.querySelectorAll("svg[data-icon]")].filter((s) => !s.querySelector("path[d]"));
  const names = [...undrawn.map((i) => i.className), ...empty.map((s) => s.dataset.icon)];
  const lost = [...document.querySelectorAll("svg[data-icon='missing'], svg.fa-circle-question")];
  return [...names, ...lost.map((s) => s.getAttribute("class"))];
}

function unsetEquations() {
  const wrong = [...document.querySelectorAll(".math")].filter((e) => !e.querySelector("mjx-container"));
  const faulty = [...document.querySelectorAll("mjx-merror")];
  const raw = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data, parent = walker.currentNode.parentElement;
    if (parent.closest("script, style, pre, code, textarea, mjx-container, svg")) continue;
    if (/\$[^\s$][^$]*\$|\\\(|\\\[|\\begin\{|\\tag\{/.test(text)) raw.push(text.trim());
  }
  return [...wrong.map((e) => e.textContent), ...faulty.map((e) => e.textContent), ...raw];
}

// Equations whose beginning lies left of their box: nothing scrolls there.
function cutEquations() {
  return [...document.querySelectorAll("div.math")]
    .filter((box) => {
      const start = box.getBoundingClientRect().left - box.scrollLeft - 1;
      const parts = [...box.querySelectorAll("mjx-math *")].map((part) => part.getBoundingClientRect());
      return parts.some((part) => part.width > 0 && part.left < start);
    })
    .map((box) => box.textContent.trim().slice(0, 60));
}

function overflow() {
  const excess = document.documentElement.scrollWidth - window.innerWidth;
  return excess > 0 ? [`${excess} px wider than the window`] : [];
}

function rgba(text) {
  const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
  return { r, g, b, a };
}

function luminance({ r, g, b }) {
  const linear = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

function contrast(one, other) {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

function ground(element) {
  for (let e = element; e; e = e.parentElement) {
    const colour = rgba(getComputedStyle(e).backgroundColor);
    if (colour.a === 1) return colour;
  }
  return { r: 255, g: 255, b: 255, a: 1 };
}

// axe takes no notice of text inside pictures, whose colour is `fill`, and takes seconds over the
// thousands of pieces of code and equations, which have a handful of colours.
function paleText() {
  const pictures = [...document.querySelectorAll("svg[role='img'] text")].filter(shown);
  const pieces = [...document.querySelectorAll(".highlight pre, .highlight pre span, mjx-container")].filter(shown);
  const ratios = [
    ...pictures.map((e) => [e, contrast(rgba(getComputedStyle(e).fill), ground(e))]),
    ...pieces.map((e) => [e, contrast(rgba(getComputedStyle(e).color), ground(e))]),
  ];
  return ratios
    .filter(([, ratio]) => ratio < 4.5)
    .map(([e, ratio]) => `${e.tagName} ${e.className} ${e.textContent.slice(0, 40)}: ${ratio.toFixed(2)}`);
}
