// A filter over the words of the glossary, and their first letters. Without scripts all words stand there.

const terms = [...document.querySelectorAll("section.term")].map((element) => ({
  element,
  word: element.querySelector("h3").firstChild.textContent.trim(),
  text: element.textContent.toLowerCase(),
}));
const groups = new Set(terms.map(({ element }) => element.parentElement));

const form = document.createElement("form");
form.className = "glossary-filter";
form.setAttribute("role", "search");
form.setAttribute("aria-label", "Filter words");
form.innerHTML = '<label>Find a word <input type="search" name="words" autocomplete="off"></label> <output></output>';
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", apply);

// Words that have the searched text in their name; if there are none, those that have it anywhere.
function apply() {
  const searched = form.words.value.trim().toLowerCase();
  const named = terms.filter(({ word }) => word.toLowerCase().includes(searched));
  const shown = new Set(named.length ? named : terms.filter(({ text }) => text.includes(searched)));
  for (const term of terms) term.element.hidden = !shown.has(term);
  for (const group of groups) group.hidden = !group.querySelector("section.term:not([hidden])");
  form.querySelector("output").textContent = `${shown.size} of ${terms.length} words`;
}

// A letter opens the words that begin with it, from all chapters.
const byLetter = new Map();
for (const term of [...terms].sort((a, b) => a.word.localeCompare(b.word))) {
  const letter = term.word[0].toUpperCase();
  byLetter.set(letter, [...(byLetter.get(letter) ?? []), term]);
}
const letters = document.createElement("nav");
letters.className = "glossary-letters";
letters.setAttribute("aria-label", "Words by letter");
const list = document.createElement("p");
list.hidden = true;
for (const [letter, found] of byLetter) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: letter });
  button.ariaLabel = `Words with ${letter}`;
  button.onclick = () => {
    const open = button.ariaPressed !== "true";
    for (const other of letters.querySelectorAll("button")) other.ariaPressed = "false";
    button.ariaPressed = String(open);
    list.hidden = !open;
    list.replaceChildren(...found.flatMap(({ word, element }, i) => [
      ...(i ? [" · "] : []),
      Object.assign(document.createElement("a"), { href: `#${element.id}`, textContent: word }),
    ]));
  };
  letters.append(button);
}
letters.append(list);

// A link to a word shows it, whatever the filter says.
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target?.closest("[hidden]")) return;
  form.reset();
  apply();
  target.scrollIntoView();
}

[...groups][0]?.before(form, letters);
apply();
window.addEventListener("hashchange", reveal);
