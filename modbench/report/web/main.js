// The page's state, its controls, and what is drawn anew when they change.

function start(payload) {
  const data = new Data(payload);
  const { comparison } = data;
  const state = {
    methods: data.methods, baseline: comparison.baseline, filter: "", sort: { key: "macro", ascending: false },
    task: "", seed: null, measure: Object.keys(MEASURES)[0], pair: [], cell: null, allSets: false, search: "", page: 0,
  };
  const drawBoard = () => keepingFocus(() => { drawLeaderboard(data, state, drawBoard); drawDifferences(data, state); });
  const drawOverlap = () => keepingFocus(() => {
    const there = (method) => state.methods.includes(method);
    if (state.pair.length < 2 || !state.pair.every(there)) {
      const first = there(state.baseline) ? state.baseline : state.methods[0];
      state.pair = [state.methods.find((method) => method !== first && method !== "base") ?? state.methods.find((method) => method !== first), first];
    }
    drawSets(data, state, updateOverlap);
    drawPairs(data, state, updateOverlap);
    drawDocuments(data, state);
  });
  const updateOverlap = (changes) => {
    Object.assign(state, changes);
    state.page = 0;
    drawOverlap();
    if (changes.cell) $("documents").scrollIntoView({ block: "start" });
  };

  describe(data);
  // One method has nothing beside it.
  for (const id of ["differences-section", "pairs-column"]) $(id).hidden = data.methods.length < 2;
  options($("baseline"), data.methods.map((method) => [method, method]), state.baseline);
  $("baseline").addEventListener("change", (event) => { state.baseline = event.target.value; state.pair = []; drawBoard(); drawOverlap(); });
  $("filter").addEventListener("input", (event) => { state.filter = event.target.value; drawBoard(); });
  $("methods").replaceChildren(...data.methods.map((method, number) => {
    const box = el("input", { type: "checkbox", value: method, checked: true, change: chooseMethods });
    return el("label", {}, box, swatch(number), method);
  }));
  function chooseMethods(event) {
    const boxes = [...$("methods").querySelectorAll("input")];
    if (!boxes.some((box) => box.checked)) event.target.checked = true;
    state.methods = boxes.filter((box) => box.checked).map((box) => box.value);
    state.cell = null;
    drawBoard();
    drawOverlap();
  }
  options($("task"), [["", "all"], ...data.tasks.map((task) => [task, short(task)])], "");
  $("task").addEventListener("change", (event) => updateOverlap({ task: event.target.value }));
  options($("seed"), [["", "all"], ...comparison.seeds.map((seed) => [String(seed), String(seed)])], "");
  $("seed").addEventListener("change", (event) => updateOverlap({ seed: event.target.value === "" ? null : Number(event.target.value) }));
  options($("measure"), Object.keys(MEASURES).map((name) => [name, name]), state.measure);
  $("measure").addEventListener("change", (event) => updateOverlap({ measure: event.target.value }));
  $("more-sets").addEventListener("click", () => updateOverlap({ allSets: !state.allSets }));
  $("search").addEventListener("input", (event) => { state.search = event.target.value; state.page = 0; drawDocuments(data, state); });
  const turn = (by) => () => { state.page += by; drawDocuments(data, state); $("documents").scrollIntoView({ block: "start" }); };
  $("previous").addEventListener("click", turn(-1));
  $("next").addEventListener("click", turn(1));

  $("pictures").replaceChildren(...data.pictures.map(({ caption, svg }) => el("figure", {},
    el("div", { class: "scroll", role: "region", "aria-label": "Picture", tabindex: "0" },
      el("img", { alt: caption, src: `data:image/svg+xml,${encodeURIComponent(svg)}` })),
    el("figcaption", {}, caption))));
  $("content").hidden = false;
  drawBoard();
  drawOverlap();
}

function describe({ comparison, tasks, texts }) {
  const model = comparison.model;
  const problems = tasks.map((task) => `${short(task)} ${count(comparison.problems[task])}`).join(", ");
  $("about").textContent = [
    model ? `Model ${model.name}${model.note ? ` (${model.note})` : ""}.` : "Models differ between the methods.",
    `Problems: ${problems}.`,
    `${comparison.seeds.length > 1 ? "Mean over seeds" : "Seed"} ${comparison.seeds.join(", ")}.`,
  ].join(" ");
  $("notes").replaceChildren(...[...comparison.notes, ...texts.notes].map((note) => el("li", {}, note)));
  $("leaderboard-hint").textContent =
    "Accuracy in percent with Wilson's 95 % interval over documents; sd: standard deviation over seeds; bold: the most accurate; " +
    "≈ not significantly worse than that; unseen: on the problems that no method was trained on; ★ on the Pareto front of mean accuracy against that cost.";
}

try {
  start(await decode($("data").textContent));
} catch (error) {
  $("problem").textContent = typeof DecompressionStream === "undefined"
    ? "This browser cannot unpack the page: use one of 2023 or later."
    : `This page could not be shown: ${error.message}`;
  $("problem").hidden = false;
  console.error(error);
}
