// Takes every box that no script has taken yet: no name of its own, and as many in a page as it likes.
for (const typing of document.querySelectorAll("figure[data-typing]:not([data-ready])")) {
  typing.dataset.ready = "";
  const { words, texts, methods, start } = JSON.parse(typing.querySelector("script").textContent);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const signs = (text) => text.replace(/ /g, "␣");
  const inWords = (p) => (p >= 0.005 || p === 0 ? p.toFixed(2) : "<0.01");
  let word = words[0], timer = 0;

  const make = (name, properties, css, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.style.cssText = css;
    made.append(...children);
    return made;
  };
  const BUTTON = "min-width:36px;min-height:36px;padding:0 .7em;border:1px solid currentColor;" +
    "border-radius:6px;background:transparent;color:inherit;font:inherit;cursor:pointer;";
  const CODE = "font-family:monospace;", ROW = "display:flex;flex-wrap:wrap;gap:.5em;align-items:center;margin:.5em 0;";

  const box = make("input", { type: "text", spellcheck: false, autocomplete: "off", ariaLabel: "text so far",
    placeholder: "type here, or choose a text" },
    `${CODE}box-sizing:border-box;flex:1 1 12em;min-width:0;min-height:36px;padding:0 .6em;font-size:1rem;
    border:1px solid currentColor;border-radius:6px;background:transparent;color:inherit`);
  box.setAttribute("autocapitalize", "off");
  const told = make("p", {}, "margin:.5em 0;min-height:3.2em");
  told.setAttribute("aria-live", "polite");
  const bars = make("div", {}, "");

  // A row keeps its elements, so that its bars move.
  const rows = texts[""].map(() => {
    const key = make("button", { type: "button" }, `${BUTTON}${CODE}min-height:28px;width:4.2em;padding:0`);
    const tracks = methods.map(({ colour }) => {
      const bar = make("span", {}, `display:block;height:1em;background:${colour};` +
        (still.matches ? "" : "transition:width .3s"));
      const number = make("span", {}, "margin-left:.4em;font-size:.85em");
      return { bar, number, track: make("span", {}, "flex:1 1 0;min-width:0;display:flex;align-items:center", bar, number) };
    });
    bars.append(make("div", {}, "display:flex;gap:.8em;align-items:center;margin:3px 0", key, ...tracks.map(({ track }) => track)));
    return { key, tracks };
  });
  const heads = methods.map(({ name, colour }) => make("span", {}, `flex:1 1 0;min-width:0;text-align:left;line-height:1.2;
    border-bottom:3px solid ${colour};padding-bottom:2px`, name));
  bars.prepend(make("div", {}, "display:flex;gap:.8em;align-items:end;margin:.3em 0", make("span", {}, "width:4.2em;flex:none"), ...heads));

  const best = (shown, m) => shown.slice(0, -1).reduce((a, b) => (b[2 + m] > a[2 + m] ? b : a))[0];
  const draw = () => {
    const typed = box.value;
    let known = typed;
    while (!(known in texts)) known = known.slice(0, -1);
    const shown = texts[known];
    rows.forEach(({ key, tracks }, i) => {
      const row = shown[i], next = typed + row[1], can = known === typed && row[1] && next in texts;
      key.textContent = row[0];
      key.disabled = !can;
      key.style.borderColor = can ? "currentColor" : "transparent";
      key.style.cursor = can ? "pointer" : "default";
      key.style.color = "inherit";
      key.ariaLabel = can ? `type ${row[0]}` : row[0];
      key.onclick = () => { stop(); type(next); };
      tracks.forEach(({ bar, number }, m) => {
        bar.style.width = `calc((100% - 3.2em) * ${row[2 + m]})`;
        bar.style.opacity = i === rows.length - 1 ? 0.5 : 1;
        number.textContent = inWords(row[2 + m]);
      });
    });
    bars.style.opacity = known === typed ? 1 : 0.5;
    const after = known ? `after “${signs(known)}”` : "at the beginning of a text";
    const next = word.startsWith(typed) ? word[typed.length] : undefined;
    const wanted = next && shown.find((row) => row[1] === next);
    const each = (tell) => methods.map(({ name }, m) => `${tell(m)} (${name})`).join(", ");
    told.textContent = known !== typed
      ? `This page does not hold “${signs(typed)}”, only the texts above. The bars are those ${after}.`
      : wanted ? `The next letter of the text is ${wanted[0]}. Its probability: ${each((m) => inWords(wanted[2 + m]))}.`
      : `The most probable byte ${after}: ${each((m) => best(shown, m))}.`;
    rows.forEach(({ key }, i) => { key.style.boxShadow = wanted && shown[i] === wanted ? `inset 0 -3px ${methods[0].colour}` : "none"; });
    chosen.forEach((button) => {
      const mine = button.value.startsWith(typed) && button.value === word;
      button.ariaPressed = String(mine);
      button.style.boxShadow = mine ? `inset 0 -3px ${methods[0].colour}` : "none";
    });
    back.disabled = !typed;
    forward.disabled = play.disabled = !(word.startsWith(typed) && word !== typed) && !timer;
    [back, forward, play].forEach((button) => (button.style.opacity = button.disabled ? 0.4 : 1));
    play.textContent = timer ? "Pause" : "Play";
  };
  const type = (text) => {
    box.value = text;
    if (!word.startsWith(text)) word = words.find((other) => other.startsWith(text)) ?? word;
    draw();
  };
  const stop = () => { clearTimeout(timer); timer = 0; };
  const step = () => {
    timer = 0;
    const next = word.slice(0, box.value.length + 1);
    if (word.startsWith(box.value) && next !== word) timer = setTimeout(step, 800);
    type(next);
  };
  box.oninput = () => { stop(); type(box.value); };
  const press = (label, action) => make("button", { type: "button", onclick: action }, BUTTON, label);
  const chosen = words.map((text) => {
    const button = press(signs(text), () => {
      stop();
      word = text;
      box.value = "";
      timer = setTimeout(step, 500);
      draw();
    });
    button.value = text;
    button.style.fontFamily = "monospace";
    return button;
  });
  const back = press("Back", () => { stop(); type(box.value.slice(0, -1)); });
  const play = press("Play", () => { if (timer) { stop(); draw(); } else step(); });
  const forward = press("Next letter", () => { stop(); step(); stop(); draw(); });

  const stage = typing.querySelector("[data-stage]");
  const group = (name, ...children) => make("div", { role: "group", ariaLabel: name }, ROW, ...children);
  stage.replaceChildren(group("texts", ...chosen), group("letters", box, back, play, forward), told, bars);
  stage.style.textAlign = "left";
  type(start);
}
