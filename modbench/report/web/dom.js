// Elements. Whatever comes from data becomes a text node or an attribute, never markup.

const $ = (id) => document.getElementById(id);

/** An element with attributes (functions become listeners, false and null are left out) and children. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null));
  return node;
}

function options(select, values, chosen) {
  select.replaceChildren(...values.map(([value, label]) => el("option", { value, selected: value === chosen }, label)));
}

/** Runs `draw` without losing the keyboard's place: the control of the same name gets the focus back. */
function keepingFocus(draw) {
  const name = document.activeElement?.dataset?.name;
  draw();
  if (name) [...document.querySelectorAll("[data-name]")].find((node) => node.dataset.name === name)?.focus();
}

const COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "currentColor"];
const SHAPES = ["●", "■", "▲", "◆", "▼", "✚", "✖", "◀", "▶", "⬢", "⬟"];

/** A method's colour and shape, the same as in the pictures. */
function swatch(number) {
  const node = el("span", { class: "swatch", "aria-hidden": "true" }, SHAPES[number % SHAPES.length]);
  node.style.color = COLORS[number % COLORS.length];
  return node;
}

const UNKNOWN = "–";
const count = (value) => (value === null || value === undefined ? UNKNOWN : Math.round(value).toLocaleString("en"));
const percent = (value) => (100 * value).toFixed(1);
const points = (value) => (value < 0 ? "−" : "+") + Math.abs(100 * value).toFixed(1);
const decimals = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits).replace("-", "−") : UNKNOWN);
const short = (task) => task.replace(/^modbench_/, "");
const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;
