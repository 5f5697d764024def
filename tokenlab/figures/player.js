// Takes every player that no script has taken yet, so that it needs no name of its own and may
// stand in a page as often as it likes.
for (const player of document.querySelectorAll("figure[data-player]:not([data-ready])")) {
  player.dataset.ready = "";
  const { parts, frames, labels, captions, control } = JSON.parse(player.querySelector("script").textContent);
  const stage = player.querySelector("[data-stage]"), told = player.querySelector("[data-told]");
  const last = frames.length - 1, still = matchMedia("(prefers-reduced-motion: reduce)");
  const MOVES = ["d", "x", "y", "width", "height", "points", "transform", "style"];
  let at = 0, timer = 0, moving = 0;

  // The numbers of an attribute, and what stands around them; colours and names are no numbers.
  const read = (text) => {
    const values = [];
    const form = text.replace(/#\w+|url\(.*?\)|(-?\d*\.?\d+(?:e-?\d+)?)/g, (all, number) =>
      number === undefined ? all : (values.push(+number), "\0"));
    return { form, values };
  };
  // Shapes of marks are defined where they are first used, so that definitions do not count.
  const look = () => [...stage.querySelectorAll("*:not(defs):not(defs *)")].map((element) => ({
    element, kind: element.tagName + element.querySelectorAll(":scope > :not(defs)").length,
    values: MOVES.map((name) => element.getAttribute(name)),
  }));
  // What differs only in numbers moves from the old to the new ones; all else is new at once.
  const move = (before, after) => {
    if (still.matches || before.length !== after.length) return;
    if (before.some(({ kind }, i) => kind !== after[i].kind)) return;
    const ways = [];
    after.forEach(({ element, values }, i) => values.forEach((value, j) => {
      const old = before[i].values[j];
      if (!value || !old || value === old) return;
      const from = read(old), to = read(value);
      if (from.form === to.form) ways.push({ element, name: MOVES[j], value, from: from.values, to });
    }));
    const begun = performance.now();
    const step = (now) => {
      const t = Math.min(1, Math.max(0, (now - begun) / 350)), s = t * t * (3 - 2 * t);
      for (const { element, name, value, from, to } of ways) {
        let i = 0;
        const between = () => (from[i] + (to.values[i++] - from[i - 1]) * s).toFixed(2);
        element.setAttribute(name, t < 1 ? to.form.replace(/\0/g, between) : value);
      }
      if (t < 1) moving = requestAnimationFrame(step);
    };
    step(begun);
  };

  const make = (name, properties, css, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.style.cssText = css;
    made.append(...children);
    return made;
  };
  const BUTTON = "min-width:36px;min-height:36px;padding:0 .7em;border:1px solid currentColor;" +
    "border-radius:6px;background:transparent;color:inherit;font:inherit;cursor:pointer;";
  const icon = (path) => `<svg viewBox="0 0 16 16" width="16" height="16" fill="currentColor" aria-hidden="true"
    style="vertical-align:middle"><path d="${path}"/></svg>`;
  const name = (button, words, path) => {
    button.ariaLabel = button.title = words;
    button.innerHTML = icon(path);
  };
  const bar = make("div", { role: "group", ariaLabel: control },
    "display:flex;flex-wrap:wrap;gap:.5em;align-items:center;justify-content:center;margin:0 0 .5em");
  let mark;

  const turn = (next) => {
    at = next;
    cancelAnimationFrame(moving);
    const before = look();
    stage.innerHTML = frames[at].map((part) => parts[part]).join("\n");
    move(before, look());
    if (told) told.textContent = captions[at];
    mark();
  };

  if (last === 1) {
    const buttons = labels.map((label, i) =>
      make("button", { type: "button", onclick: () => turn(i) }, BUTTON, label));
    mark = () => buttons.forEach((button, i) => {
      button.ariaPressed = String(i === at);
      button.style.boxShadow = i === at ? "inset 0 -4px BLUE" : "none";
      button.style.fontWeight = i === at ? "bold" : "normal";
    });
    bar.append(make("span", {}, "", control), ...buttons);
  } else {
    const slider = make("input", { type: "range", min: 0, max: last, step: 1 },
      "width:min(16em,34vw);margin:0 .6em;vertical-align:middle;accent-color:BLUE");
    const value = make("output", {}, "display:inline-block;min-width:3em;text-align:left");
    const play = make("button", { type: "button" }, BUTTON);
    const words = () => timer ? name(play, "Pause", "M3 2h4v12H3zM9 2h4v12H9z") : name(play, "Play", "M3 1l11 7-11 7z");
    const stop = () => { clearTimeout(timer); timer = 0; words(); };
    const wait = () => { timer = setTimeout(go, 900 + 45 * (captions?.[at].length ?? 0)); words(); };
    const go = () => { turn(at + 1); at < last ? wait() : stop(); };
    play.onclick = () => { timer ? stop() : at < last ? go() : (turn(0), wait()); };
    const step = (by, words, path) => {
      const button = make("button", { type: "button" }, BUTTON);
      button.onclick = () => { stop(); turn(Math.min(last, Math.max(0, at + by))); };
      name(button, words, path);
      return button;
    };
    slider.oninput = () => { stop(); turn(+slider.value); };
    mark = () => {
      slider.value = at;
      value.textContent = labels[at];
      slider.setAttribute("aria-valuetext", `${control} ${labels[at]}`);
    };
    stop();
    bar.append(step(-1, "Step back", "M2 2h3v12H2zM14 1v14L5 8z"), play,
      step(1, "Step forward", "M11 2h3v12h-3zM2 1v14l9-7z"), make("div", {}, "white-space:nowrap", make("label", {}, "", control, slider), value));
  }
  stage.after(bar);
  stage.replaceChildren();
  turn(0);
}
