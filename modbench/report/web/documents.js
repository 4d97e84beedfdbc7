// The problems behind a number, with the responses of all chosen methods side by side.

const PER_PAGE = 10;
const OUTCOMES = { no_answer: "no answer found", unreadable: "not readable within the limits", correct: "correct", wrong: "wrong" };

function drawDocuments(data, state) {
  const cell = state.cell;
  $("documents-controls").hidden = $("pager").hidden = !cell;
  if (!cell) {
    $("documents-status").textContent = "Choose a number above to read the problems behind it.";
    return $("documents-list").replaceChildren();
  }
  const all = data.find(cell.methods, cell.bits, tasksOf(data, state), state.seed);
  const kept = all.filter(({ task, index }) => data.documents.get(task).has(index));
  const wanted = state.search.trim().toLowerCase();
  const found = wanted ? kept.filter((at) => texts(data, at, state.methods).some((text) => text.toLowerCase().includes(wanted))) : kept;
  const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
  const page = Math.min(state.page, pages - 1);
  $("documents-status").textContent = `${plural(all.length, "problem")} ${cell.title}` +
    (kept.length < all.length ? `; ${count(kept.length)} of them with their text in this page` : "") +
    (wanted ? `; ${count(found.length)} with “${state.search.trim()}”` : "") + ".";
  $("documents-list").replaceChildren(
    ...found.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map((at) => article(data, state, at)));
  $("position").textContent = `Page ${page + 1} of ${pages}`;
  $("previous").disabled = page === 0;
  $("next").disabled = page >= pages - 1;
  $("pager").hidden = pages === 1;
}

function texts(data, { task, seed, index }, methods) {
  const [, question, gold, responses] = data.documents.get(task).get(index);
  const theirs = methods.map((method) => data.runs.get(method).get(seed)).map((run) => (run && responses[run.number]) ?? null);
  return [question ?? "", gold ?? "", ...theirs.map((response) => response?.[0] ?? "")];
}

function article(data, state, { task, seed, index }) {
  const [, question, gold, responses] = data.documents.get(task).get(index);
  const cards = state.methods.filter((method) => data.runs.get(method).has(seed)).map((method) => {
    const run = data.runs.get(method).get(seed);
    const solved = run.solved.get(task)[index] === 1;
    return response(method, data.methods.indexOf(method), solved, responses[run.number]);
  });
  return el("article", {},
    el("header", {}, `${short(task)} · seed ${seed} · problem ${index + 1}`),
    el("div", { class: "question" }, question ?? "The question was not recorded."),
    el("div", {}, "Right answer: ", el("strong", {}, gold ?? "not recorded")),
    el("div", { class: "responses" }, cards));
}

function response(method, number, solved, stored) {
  const [text, answer, outcome] = stored ?? [null, null, null];
  const verdict = OUTCOMES[outcome] ?? (solved ? "correct" : "wrong");
  return el("section", { class: solved ? "response solved" : "response" },
    el("h4", {}, swatch(number), " ", method, " ", el("span", { class: solved ? "tick" : "cross" }, solved ? "✓" : "✗"), ` ${verdict}`),
    el("small", {}, answer === null ? "" : `answer read: ${answer}`),
    el("pre", {}, text ?? "The response was not recorded."));
}
