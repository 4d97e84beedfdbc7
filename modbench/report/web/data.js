// What the page knows: the comparison as computed, and the verdict of each run on each document.

async function decode(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/** `n` verdicts, eight to a byte, the first in the highest bit, as an array of 0 and 1. */
function unpack(text, n) {
  const bytes = atob(text);
  const bits = new Uint8Array(n);
  for (let i = 0; i < n; i++) bits[i] = (bytes.charCodeAt(i >> 3) >> (7 - (i & 7))) & 1;
  return bits;
}

class Data {
  constructor(payload) {
    this.comparison = payload.comparison;
    this.tasks = Object.keys(this.comparison.problems);
    this.methods = this.comparison.methods.map((row) => row.method);
    this.rows = new Map(this.comparison.methods.map((row) => [row.method, row]));
    this.texts = payload.texts;
    this.pictures = payload.pictures;
    this.known = new Map();
    this.runs = new Map(this.methods.map((method) => [method, new Map()]));
    payload.runs.forEach((run, number) => {
      const solved = new Map(this.tasks.map((task) => [task, unpack(run.solved[task], this.comparison.problems[task])]));
      this.runs.get(run.method).set(run.seed, { number, solved });
    });
    this.documents = new Map(this.tasks.map((task) => [task, new Map(this.texts.documents[task].map((at) => [at[0], at]))]));
  }

  /** What `compute` gives, computed once per key: with a million documents a count takes a while. */
  once(key, compute) {
    const name = JSON.stringify(key);
    if (!this.known.has(name)) this.known.set(name, compute());
    return this.known.get(name);
  }

  /** The seeds that all `methods` have; only `seed` of them where one is given. */
  seeds(methods, seed = null) {
    const [first, ...others] = methods.map((method) => [...this.runs.get(method).keys()]);
    const common = (first ?? []).filter((at) => others.every((having) => having.includes(at)));
    return seed === null ? common : common.filter((at) => at === seed);
  }

  /** Calls `visit(verdicts, task, seed)` with one array of 0 and 1 per method, for each task and seed asked for. */
  each(methods, tasks, seeds, visit) {
    for (const task of tasks) {
      for (const seed of seeds) visit(methods.map((method) => this.runs.get(method).get(seed).solved.get(task)), task, seed);
    }
  }

  /** A minus B per task as fractions, means over the seeds that both have; null where there is none. */
  difference(a, b) {
    const seeds = this.seeds([a, b]);
    if (!seeds.length) return null;
    const found = { tasks: {}, macro: 0, micro: 0 };
    let problems = 0;
    for (const task of this.tasks) {
      let sum = 0;
      this.each([a, b], [task], seeds, ([x, y]) => { for (let i = 0; i < x.length; i++) sum += x[i] - y[i]; });
      const n = this.comparison.problems[task];
      found.tasks[task] = sum / seeds.length / n;
      found.macro += found.tasks[task] / this.tasks.length;
      found.micro += sum / seeds.length;
      problems += n;
    }
    found.micro /= problems;
    return found;
  }

  /** How many problems A and B solve: [neither, only A, only B, both]. */
  pair(a, b, tasks, seed) {
    if (this.methods.indexOf(a) > this.methods.indexOf(b)) {
      const [neither, onlyB, onlyA, both] = this.pair(b, a, tasks, seed);
      return [neither, onlyA, onlyB, both];
    }
    return this.once(["pair", a, b, tasks, seed], () => {
      const counts = [0, 0, 0, 0];
      this.each([a, b], tasks, this.seeds([a, b], seed), ([x, y]) => {
        for (let i = 0; i < x.length; i++) counts[x[i] + 2 * y[i]]++;
      });
      return counts;
    });
  }

  /** The exclusive intersections as [bits, count], largest first: bit i of `bits` is set where methods[i] solves. */
  sets(methods, tasks, seed) {
    return this.once(["sets", methods, tasks, seed], () => {
      const counts = new Map();
      this.each(methods, tasks, this.seeds(methods, seed), (verdicts, task) => {
        for (let i = 0; i < this.comparison.problems[task]; i++) {
          const bits = code(verdicts, i);
          counts.set(bits, (counts.get(bits) ?? 0) + 1);
        }
      });
      return [...counts].sort((x, y) => y[1] - x[1] || x[0] - y[0]);
    });
  }

  /** The problems whose code over `methods` is `bits`, as {task, seed, index}. */
  find(methods, bits, tasks, seed) {
    const found = [];
    this.each(methods, tasks, this.seeds(methods, seed), (verdicts, task, at) => {
      for (let i = 0; i < this.comparison.problems[task]; i++) {
        if (code(verdicts, i) === bits) found.push({ task, seed: at, index: i });
      }
    });
    return found;
  }
}

/** A double holds 53 bits exactly: so many methods can be told apart. */
const MOST_METHODS = 53;

function code(verdicts, i) {
  let bits = 0;
  for (let m = verdicts.length - 1; m >= 0; m--) bits = 2 * bits + verdicts[m][i];
  return bits;
}

const hasBit = (bits, i) => Math.floor(bits / 2 ** i) % 2 === 1;

const MEASURES = {
  "Jaccard (both / either)": ([, a, b, both]) => both / (both + a + b),
  "Cohen's kappa": ([none, a, b, both]) => {
    const n = none + a + b + both;
    const chance = (both + a) * (both + b) + (n - both - a) * (n - both - b);
    return (n * (both + none) - chance) / (n * n - chance);
  },
  "Yule's Q": ([none, a, b, both]) => (both * none - a * b) / (both * none + a * b),
};
