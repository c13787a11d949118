"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const sections = data.steps.map((name) => document.getElementById(name));
const last = sections.length - 1;
const held = (event) => event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
let at; // the step that is shown, from 0 (the loss) to 26

/* Heat maps */

const TALLEST = 320; // of a map, in pixels of the style sheet
const WIDEST = 15; // of an entry
const BAND = 26; // the thickness of a single row or column

/* The colours of the style sheet from the most negative to the most positive, as [r, g, b]. */
function colours() {
  const style = getComputedStyle(document.documentElement);
  return ["--low", "--lower", "--zero", "--higher", "--high"].map((name) => {
    const code = parseInt(style.getPropertyValue(name).trim().slice(1), 16);
    return [code >> 16, (code >> 8) & 255, code & 255];
  });
}

/* The place of entry k in each axis of an array of this shape. */
function place(k, shape) {
  const index = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index.unshift(k % shape[axis]);
    k = Math.floor(k / shape[axis]);
  }
  return index;
}

function heatMap(figure) {
  const { name, kind } = figure.dataset;
  const [axes, shape] = [data.axes[name], data.shapes[name]];
  const canvas = figure.querySelector("canvas");
  const cursor = figure.querySelector(".cursor");
  const readout = figure.querySelector(".readout");
  const { width, height } = canvas;

  const bytes = Uint8Array.from(atob(data[kind][name]), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const entries = Array.from({ length: width * height }, (_, k) => view.getFloat64(8 * k, true));
  const sizes = entries.map(Math.abs);
  const reach = sizes.reduce((a, b) => Math.max(a, b));
  const largest = sizes.indexOf(reach);
  let looked = largest; // the entry under the pointer or the keyboard's cursor

  function paint() {
    const stops = colours();
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    entries.forEach((entry, k) => {
      const along = 2 * (entry / (reach || 1) + 1); // 0 to 4, from the first stop to the last
      const below = Math.min(Math.floor(along), 3);
      for (let c = 0; c < 3; c++) {
        const [a, b] = [stops[below][c], stops[below + 1][c]];
        image.data[4 * k + c] = a + (b - a) * (along - below);
      }
      image.data[4 * k + 3] = 255;
    });
    context.putImageData(image, 0, 0);
  }

  /* As large as there is room for, an entry a whole number of the screen's pixels. */
  function fit() {
    const side = Math.min((figure.clientWidth - 2) / width, TALLEST / height, WIDEST);
    const whole = Math.max(1, Math.floor(side * devicePixelRatio)) / devicePixelRatio;
    canvas.style.width = `${width === 1 ? BAND : width * whole}px`;
    canvas.style.height = `${height === 1 ? BAND : height * whole}px`;
    mark();
  }

  function mark() {
    const [w, h] = [canvas.clientWidth / width, canvas.clientHeight / height];
    cursor.style.left = `${canvas.offsetLeft + (looked % width) * w - 2}px`;
    cursor.style.top = `${canvas.offsetTop + Math.floor(looked / width) * h - 2}px`;
    cursor.style.width = `${w + 4}px`;
    cursor.style.height = `${h + 4}px`;
  }

  function describe() {
    const index = place(looked, shape);
    const called = (kind === "value" ? name : `d${name}`) + (shape.length ? `[${index.join(", ")}]` : "");
    const entry = String(Number(entries[looked].toPrecision(7))).replaceAll("-", "−");
    const meanings = axes.flatMap((axis, j) => {
      if (axis === "n") return [`row ${data.rows[index[j]]}`];
      return axis === "V" ? [`character \u2068${data.chars[index[j]]}\u2069`] : [];
    });
    return [`${called} = ${entry}`, ...meanings].join(" · ");
  }

  function look(x, y) {
    if (x < 0 || y < 0 || x >= width || y >= height) return;
    looked = y * width + x;
    cursor.hidden = false;
    readout.textContent = describe();
    mark();
  }

  /* Nothing is looked at: name the largest entry. */
  function rest() {
    looked = largest;
    cursor.hidden = true;
    readout.textContent = (entries.length > 1 ? "largest: " : "") + describe();
  }

  function pointed(event) {
    const x = (event.offsetX * width) / canvas.clientWidth;
    const y = (event.offsetY * height) / canvas.clientHeight;
    look(Math.floor(x), Math.floor(y));
  }
  canvas.addEventListener("pointermove", pointed);
  canvas.addEventListener("pointerdown", pointed);
  canvas.addEventListener("pointerleave", () => {
    if (document.activeElement !== canvas) rest();
  });
  canvas.addEventListener("focus", () => look(looked % width, Math.floor(looked / width)));
  canvas.addEventListener("blur", rest);
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (held(event) || !Object.hasOwn(moves, event.key)) return;
    event.preventDefault();
    const [x, y] = moves[event.key];
    look((looked % width) + x, Math.floor(looked / width) + y);
  });
  rest();
  return { paint, fit };
}

const maps = sections.map((section) => [...section.querySelectorAll("figure")].map(heatMap));

/* Steps */

function show(step) {
  at = step;
  sections.forEach((section, k) => { section.hidden = k !== at; });
  draw();
  const name = data.steps[at];
  document.getElementById("turn").textContent = `${at}/${last}`;
  document.getElementById("called").textContent = `d${name}`;
  document.getElementById("done").style.transform = `scaleX(${at / last})`;
  document.getElementById("back").setAttribute("aria-disabled", at === 0);
  document.getElementById("next").setAttribute("aria-disabled", at === last);
  const turn = (other) => data.steps.indexOf(other);
  for (const node of document.querySelectorAll(".node")) {
    const of = node.getAttribute("href").slice(1);
    node.classList.toggle("made", turn(of) < at);
    if (of === name) node.setAttribute("aria-current", "step");
    else node.removeAttribute("aria-current");
  }
  for (const edge of document.querySelectorAll(".edge")) {
    edge.classList.toggle("made", turn(edge.dataset.from) < at);
    edge.classList.toggle("now", edge.dataset.from === name);
  }
}

/* Bring the step into sight. */
function reach() {
  const { top } = sections[at].getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) sections[at].scrollIntoView();
}

function draw() {
  for (const map of maps[at]) {
    map.paint();
    map.fit();
  }
}

function go(step) {
  if (step < 0 || step > last || step === at) return;
  show(step);
  reach();
  history.replaceState(null, "", `#${data.steps[at]}`);
}

document.getElementById("back").addEventListener("click", () => go(at - 1));
document.getElementById("next").addEventListener("click", () => go(at + 1));

document.addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last };
  // A heat map takes the arrows for itself. With Alt, ← is the browser's own way back.
  if (event.defaultPrevented || held(event) || !Object.hasOwn(steps, event.key)) return;
  event.preventDefault();
  go(steps[event.key]);
});

/* The step that the address names; what names none is no step. */
const named = () => {
  const name = location.hash.slice(1); // of a value, or of its gradient: #dprobs is #probs
  const step = data.steps.indexOf(name);
  return step < 0 && name[0] === "d" ? data.steps.indexOf(name.slice(1)) : step;
};

addEventListener("hashchange", () => {
  if (named() < 0) return;
  show(named());
  reach();
  sections[at].querySelector("h2").focus({ preventScroll: true });
});
addEventListener("resize", () => maps[at].forEach((map) => map.fit()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

show(Math.max(0, named()));
if (named() >= 0) reach(); // else the page begins at its top
