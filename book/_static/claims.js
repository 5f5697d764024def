// A filter over the rows of the claims. Without scripts all rows stand there.

const rows = [...document.querySelectorAll("details.claim-row")].map((element) => ({
  element,
  kind: element.dataset.kind,
  status: element.dataset.status,
  text: element.textContent.toLowerCase(),
}));
const groups = [...document.querySelectorAll(".claims-section, .claims-chapter")];

function choice(name, values) {
  const options = values.map((value) => `<option>${value}</option>`).join("");
  const label = name[0].toUpperCase() + name.slice(1);
  return `<label>${label} <select name="${name}"><option value="">all</option>${options}</select></label>`;
}

const distinct = (name) => [...new Set(rows.map((row) => row[name]))];
const form = document.createElement("form");
form.className = "claims-filter";
form.setAttribute("role", "search");
form.setAttribute("aria-label", "Filter claims");
form.innerHTML = `<label>Words <input type="search" name="words" autocomplete="off"></label>
  ${choice("kind", distinct("kind"))} ${choice("status", distinct("status"))} <output></output>`;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", apply);

function apply() {
  const words = form.words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const fits =
      (!form.kind.value || row.kind === form.kind.value) &&
      (!form.status.value || row.status === form.status.value) &&
      words.every((word) => row.text.includes(word));
    row.element.hidden = !fits;
    shown += fits;
  }
  for (const group of groups) group.hidden = !group.querySelector("details.claim-row:not([hidden])");
  form.querySelector("output").textContent = `${shown} of ${rows.length} claims`;
}

// A link to a claim shows it, whatever the filter says.
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const row = target?.closest("details.claim-row");
  if (!row) return;
  if (row.hidden) {
    form.reset();
    apply();
  }
  row.open = true;
  row.scrollIntoView({ block: "center" });
}

groups[0]?.before(form);
apply();
reveal();
window.addEventListener("hashchange", reveal);
