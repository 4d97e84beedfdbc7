// The leaderboard, and the differences from the baseline.

function columns(data, baseline) {
  const score = (place, of, clean = () => null) => ({
    key: place, value: (row) => of(row).accuracy,
    cell: (row) => scoreCell(of(row), clean(row), data.comparison.best[place]?.tied.includes(row.method)),
  });
  const cost = (label, name, of, text = count) => ({
    key: label, label, value: of,
    cell: (row) => text(of(row)) + (row.pareto.includes(name) ? " ★" : ""),
  });
  const against = (row) => (row.method === baseline ? null : data.difference(row.method, baseline));
  const found = [
    { key: "method", label: "Method", ascending: true, value: (row) => row.method, cell: (row) => [swatch(data.methods.indexOf(row.method)), " ", row.method] },
    ...data.tasks.map((task) => ({
      label: short(task),
      ...score(task, (row) => row.tasks[task], (row) => (row.clean[task]?.n < data.comparison.problems[task] ? row.clean[task] : null)),
    })),
    { label: "Mean", ...score("macro", (row) => row.macro) },
    { label: "All problems", ...score("micro", (row) => row.micro) },
    {
      key: "difference", label: `Mean − ${baseline}`, value: (row) => against(row)?.macro ?? null,
      cell: (row) => { const found = against(row); return found ? points(found.macro) : UNKNOWN; },
    },
    cost("Trained", "total", (row) => row.cost.parameters?.total ?? null),
    {
      key: "overhead", label: `% over ${data.comparison.over}`, value: (row) => row.cost.overhead,
      cell: (row) => decimals(row.cost.overhead ?? NaN),
    },
    cost("Adapter KiB", "adapter_bytes", (row) => row.cost.adapter_bytes, (value) => count(value === null ? null : value / 1024)),
    cost("Train s", "train_seconds", (row) => row.cost.train_seconds),
    cost("Train tokens/s", "", (row) => row.cost.train_speed),
    cost("Eval s", "eval_seconds", (row) => row.cost.eval_seconds),
    cost("Eval tokens/s", "", (row) => row.cost.eval_speed),
    cost("Peak MiB", "peak_memory_bytes", (row) => row.cost.peak_memory_bytes, (value) => count(value === null ? null : value / 2 ** 20)),
    {
      key: "gates", label: "Mean gates (layers)", value: (row) => row.gates?.at(-1) ?? null,
      cell: (row) => (row.gates ? [row.gates.map((gate) => gate.toFixed(2)).join(" "), el("small", {}, row.late_layers.join(" "))] : UNKNOWN),
    },
  ];
  const rows = data.comparison.methods;
  return found.filter((column) => column.key === "difference" ? rows.length > 1 : rows.some((row) => column.value(row) !== null));
}

function scoreCell(score, clean, tied) {
  const lines = [percent(score.accuracy) + (tied ? " ≈" : "")];
  if (score.low !== null) lines.push(el("small", {}, `${percent(score.low)} to ${percent(score.high)}`));
  if (score.spread !== null) lines.push(el("small", {}, `sd ${percent(score.spread)}`));
  if (clean && clean.n !== null) lines.push(el("small", {}, clean.score ? `unseen ${percent(clean.score.accuracy)} of ${count(clean.n)}` : "none unseen"));
  return lines;
}

function drawLeaderboard(data, state, update) {
  const all = columns(data, state.baseline);
  const sorted = all.find((column) => column.key === state.sort.key) ?? all[0];
  const sign = state.sort.ascending ? 1 : -1;
  const wanted = state.filter.trim().toLowerCase();
  const rows = state.methods.map((method) => data.rows.get(method)).filter((row) => row.method.toLowerCase().includes(wanted));
  rows.sort((x, y) => {
    const [a, b] = [sorted.value(x), sorted.value(y)];
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  });
  const sortBy = (column) => {
    const again = state.sort.key === column.key;
    state.sort = { key: column.key, ascending: again ? !state.sort.ascending : Boolean(column.ascending) };
    update();
  };
  const heads = all.map((column) =>
    el("th", { scope: "col", "aria-sort": column === sorted ? (state.sort.ascending ? "ascending" : "descending") : "none" },
      el("button", { "data-name": `sort ${column.key}`, click: () => sortBy(column) }, column.label)));
  const body = rows.map((row) => el("tr", {}, all.map((column, i) =>
    el(i ? "td" : "th", { scope: i ? null : "row", class: data.comparison.best[column.key]?.methods.includes(row.method) ? "best" : null }, column.cell(row)))));
  if (!body.length) body.push(el("tr", {}, el("th", { scope: "row", colspan: all.length }, "No method fits.")));
  $("leaderboard").replaceChildren(el("thead", {}, el("tr", {}, heads)), el("tbody", {}, body));
}

function drawDifferences(data, state) {
  const theirs = data.comparison.baseline;
  const computed = state.baseline === theirs;
  const margin = data.comparison.margin;
  const tests = data.comparison.differences.reduce((sum, at) => sum + Object.keys(at.adjusted).length, 0);
  $("differences-hint").textContent = computed
    ? `Method minus ${theirs} in points, with the wider of the paired bootstrap's 95 % interval over documents and the t interval over seeds; ` +
      (tests > 1 ? "p: exact McNemar for each pair of runs, lowest to highest, Holm-adjusted over all; " : "p: exact McNemar; ") +
      "could show: the smallest difference that these documents could show with 80 % power. " +
      (margin ? `Not worse: the interval lies above −${percent(margin)} points.` : "Undecided is not equal.")
    : `Method minus ${state.baseline} in points, from the verdicts in this page. Intervals, p values and verdicts were computed ` +
      `against ${theirs}: choose it as the baseline to see them, or run modbench report with --baseline ${state.baseline}.`;
  const others = state.methods.filter((method) => method !== state.baseline);
  const places = [...data.tasks.map((task) => [task, short(task)]), ["macro", "Mean"], ["micro", "All problems"]];
  const heads = ["Method", ...places.map(([, label]) => label)].map((label) => el("th", { scope: "col" }, label));
  const body = others.map((method) => {
    const found = data.difference(method, state.baseline);
    const cells = places.map(([place]) => {
      if (!found) return el("td", {}, UNKNOWN);
      const stated = computed ? data.comparison.differences.find((at) => at.method === method && at.task === place) : null;
      return el("td", {}, differenceCell(found.tasks[place] ?? found[place], stated));
    });
    return el("tr", {}, el("th", { scope: "row" }, swatch(data.methods.indexOf(method)), " ", method), cells);
  });
  if (!body.length) body.push(el("tr", {}, el("th", { scope: "row", colspan: heads.length }, "Choose a method besides the baseline.")));
  $("differences").replaceChildren(el("thead", {}, el("tr", {}, heads)), el("tbody", {}, body));
}

const SIGNS = { better: "▲", worse: "▼", "not worse": "≥", undecided: "?" };

function differenceCell(value, stated) {
  if (!stated) return points(value);
  const [inner, outer] = [stated.interval, stated.seed_interval];
  const [low, high] = outer && outer[1] - outer[0] > inner[1] - inner[0] ? outer : inner;
  const values = Object.values(stated.adjusted);
  const ends = [Math.min(...values), Math.max(...values)].map((at) => (at < 0.001 ? "<0.001" : at.toFixed(3)));
  return [
    points(stated.difference),
    el("small", {}, `${points(low)} to ${points(high)}`),
    el("span", { class: stated.standing.replace(" ", "-") }, `${SIGNS[stated.standing]} ${stated.standing}`),
    values.length ? el("small", {}, `p ${[...new Set(ends)].join(" to ")}`) : null,
    stated.detectable === null ? null : el("small", {}, `could show ${percent(stated.detectable)}`),
  ];
}
