// Solved sets: the exclusive intersections of all methods, and each two of them.

const FEW = 15;

const tasksOf = (data, state) => (state.task ? [state.task] : data.tasks);

function drawSets(data, state, update) {
  const methods = state.methods;
  const seeds = data.seeds(methods, state.seed);
  const tasks = tasksOf(data, state);
  const problems = seeds.length * tasks.reduce((sum, task) => sum + data.comparison.problems[task], 0);
  const many = methods.length > MOST_METHODS;
  const sets = many ? [] : data.sets(methods, tasks, state.seed);
  const union = sets.reduce((sum, [bits, n]) => sum + (bits ? n : 0), 0);
  $("sets-hint").textContent = many
    ? `Choose at most ${MOST_METHODS} methods to see which problems exactly they solve.`
    : !seeds.length
      ? "The chosen methods have no seed in common."
      : `${plural(problems, "problem")}${seeds.length > 1 ? `, ${seeds.length} seeds added up` : ""}; ` +
        `${count(union)} solved by at least one method (oracle accuracy ${percent(union / problems)}\u00a0%).`;
  const most = sets.length ? sets[0][1] : 1;
  const shown = state.allSets ? sets : sets.slice(0, FEW);
  const numbers = methods.map((method) => data.methods.indexOf(method));
  const heads = methods.map((method, i) => el("th", { scope: "col" }, el("span", { class: "name" }, method), swatch(numbers[i])));
  const body = shown.map(([bits, n]) => {
    const chosen = state.cell?.name === `set ${bits}`;
    const names = methods.filter((_, i) => hasBit(bits, i));
    const choose = () => update({ cell: { name: `set ${bits}`, methods, bits, title: setTitle(names, methods) } });
    const bar = el("div");
    bar.style.width = `${(100 * n) / most}%`;
    return el("tr", { class: chosen ? "chosen" : null, click: choose },
      methods.map((_, i) => el("td", { "aria-hidden": "true" },
        hasBit(bits, i) ? swatch(numbers[i]) : el("span", { class: "absent" }, "·"))),
      el("td", {}, el("button", {
        "data-name": `set ${bits}`, "aria-pressed": String(chosen), "aria-label": `${count(n)} ${setTitle(names, methods)}`,
      }, count(n))),
      el("td", { class: "bar", "aria-hidden": "true" }, bar));
  });
  $("upset").replaceChildren(
    el("thead", {}, el("tr", {}, heads, el("th", { scope: "col", colspan: "2" }, "problems"))), el("tbody", {}, body));
  $("more-sets").hidden = sets.length <= FEW;
  $("more-sets").textContent = state.allSets ? `Show the ${FEW} largest` : `Show all ${count(sets.length)}`;
}

function setTitle(names, methods) {
  if (!names.length) return "that no method solves";
  if (names.length === methods.length) return methods.length > 1 ? "that every method solves" : `that ${names[0]} solves`;
  return `that only ${names.join(", ")} ${names.length > 1 ? "solve" : "solves"}`;
}

function drawPairs(data, state, update) {
  const methods = state.methods;
  const of = MEASURES[state.measure];
  const body = methods.map((a) => el("tr", {},
    el("th", { scope: "row" }, swatch(data.methods.indexOf(a)), " ", a),
    methods.map((b) => {
      if (a === b || !data.seeds([a, b], state.seed).length) return el("td", {}, "");
      const value = of(data.pair(a, b, tasksOf(data, state), state.seed));
      const button = el("button", {
        "data-name": `pair ${a} ${b}`, "aria-label": `${a} and ${b}: ${decimals(value)}`,
        "aria-pressed": String(state.pair[0] === a && state.pair[1] === b), click: () => update({ pair: [a, b] }),
      }, decimals(value));
      button.style.setProperty("--value", Math.max(0, value || 0) ** 2);
      return el("td", {}, button);
    })));
  const heads = [el("td"), ...methods.map((b) => el("th", { scope: "col" }, el("span", { class: "name" }, b), swatch(data.methods.indexOf(b))))];
  $("pairs").replaceChildren(el("thead", {}, el("tr", {}, heads)), el("tbody", {}, body));
  drawPair(data, state, update);
}

function drawPair(data, state, update) {
  const [a, b] = state.pair;
  if (!a || !b || !data.seeds([a, b], state.seed).length) return $("pair").replaceChildren();
  const counts = data.pair(a, b, tasksOf(data, state), state.seed);
  const titles = [
    `that neither ${a} nor ${b} solves`, `that ${a} solves and ${b} does not`,
    `that ${b} solves and ${a} does not`, `that both ${a} and ${b} solve`,
  ];
  const cell = (bits) => {
    const name = `pair ${bits} ${a} ${b}`;
    const choose = () => update({ cell: { name, methods: [a, b], bits, title: titles[bits] } });
    const label = ["neither", "only A", "only B", "both"][bits];
    return el("td", {}, el("button", {
      "data-name": name, "aria-pressed": String(state.cell?.name === name), "aria-label": `${count(counts[bits])} ${titles[bits]}`, click: choose,
    }, el("strong", {}, count(counts[bits])), el("br"), label));
  };
  const head = (words) => el("th", { scope: "col" }, words);
  $("pair").replaceChildren(
    el("h3", {}, `A = ${a}, B = ${b}`),
    el("table", { class: "square" },
      el("thead", {}, el("tr", {}, el("td"), head("A solves"), head("A does not"))),
      el("tbody", {},
        el("tr", {}, el("th", { scope: "row" }, "B solves"), cell(3), cell(2)),
        el("tr", {}, el("th", { scope: "row" }, "B does not"), cell(1), cell(0)))));
}
