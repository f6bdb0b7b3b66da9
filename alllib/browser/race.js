// A race of optimisers on one bowl: the reader moves learning rate, momentum and the number of
// steps, and sees four paths on the lines of equal loss, and what loss each has reached.
// data: { hessian: [[a, b], [b, c]]; start: [x, y]; window: [left, right, low, high];
//   steps; rates: [least, largest, first], powers of ten; momentum; rho, beta_1, beta_2, epsilon }
// The minimum is at [0, 0] and has loss 0.
function render(place, data) {
  const note = place.querySelector("p");
  const [[a, b], [, c]] = data.hessian;
  const loss = ([x, y]) => (a * x * x + 2 * b * x * y + c * y * y) / 2;
  const gradient = ([x, y]) => [a * x + b * y, b * x + c * y];
  const each = (f, ...vectors) => [0, 1].map((k) => f(...vectors.map((v) => v[k])));
  const rules = {
    "plain descent": (w, g, s, rate) => each((p, q) => p - rate * q, w, g),
    momentum: (w, g, s, rate, m) => {
      s.v = each((v, q) => m * v - rate * q, s.v || [0, 0], g);
      return each((p, v) => p + v, w, s.v);
    },
    RMSprop: (w, g, s, rate) => {
      s.s = each((v, q) => data.rho * v + (1 - data.rho) * q * q, s.s || [0, 0], g);
      return each((p, q, v) => p - (rate * q) / Math.sqrt(v + data.epsilon), w, g, s.s);
    },
    Adam: (w, g, s, rate) => {
      const { beta_1, beta_2 } = data;
      s.t = (s.t || 0) + 1;
      s.m = each((m, q) => beta_1 * m + (1 - beta_1) * q, s.m || [0, 0], g);
      s.s = each((v, q) => beta_2 * v + (1 - beta_2) * q * q, s.s || [0, 0], g);
      const now = (rate * Math.sqrt(1 - beta_2 ** s.t)) / (1 - beta_1 ** s.t);
      return each((p, m, v) => p - (now * m) / (Math.sqrt(v) + data.epsilon), w, s.m, s.s);
    },
  };
  const names = Object.keys(rules);
  const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"];
  const dashes = ["", "7 3", "2 3", "9 3 2 3"];
  const run = (name, rate, momentum, steps) => {
    const path = [data.start], state = {};
    for (let step = 0; step < steps; step += 1) {
      const w = path[path.length - 1];
      path.push(rules[name](w, gradient(w), state, rate, momentum));
    }
    return path;
  };

  const make = (kind, parent, text) => {
    const node = document.createElement(kind);
    if (text !== undefined) node.textContent = text;
    parent.appendChild(node);
    return node;
  };
  const slider = (title, settings, tell) => {
    const line = make("label", place);
    line.style.display = "block";
    make("span", line, title + " ");
    const input = make("input", line);
    Object.assign(input, { type: "range", ...settings });
    input.style.cssText = "width:55%;vertical-align:middle";
    const shown = make("output", line);
    const value = () => Number(input.value);
    return { input, value, show: () => {
      shown.textContent = " " + tell(value());
      input.setAttribute("aria-valuetext", tell(value()));
    } };
  };
  const power = (value) => (10 ** value).toPrecision(3);
  const [least, largest, first] = data.rates;
  const rate = slider("learning rate", { min: least, max: largest, step: 0.01, value: first }, power);
  const momentum = slider("momentum",
    { min: 0, max: 0.99, step: 0.01, value: data.momentum }, (value) => value.toFixed(2));
  const count = slider("steps", { min: 1, max: data.steps, step: 1, value: data.steps }, String);

  const [left, right, low, high] = data.window;
  const width = 480, height = Math.round((width * (high - low)) / (right - left));
  const draw = (kind, parent, given) => {
    const node = document.createElementNS("http:" + "//www.w3.org/2000/svg", kind);
    Object.entries(given).forEach(([key, value]) => node.setAttribute(key, value));
    parent.appendChild(node);
    return node;
  };
  const figure = draw("svg", place, { viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": "paths of four optimisers on lines of equal loss" });
  figure.style.cssText = "width:100%;max-width:560px;display:block;border:1px solid currentColor";
  const spot = ([x, y]) => {
    const held = (value) => Math.max(-1e5, Math.min(1e5, value));
    return held(((x - left) / (right - left)) * width).toFixed(1) + "," +
      held(((high - y) / (high - low)) * height).toFixed(1);
  };
  // A line of equal loss is the circle drawn out along the two main curvatures.
  const middle = (a + c) / 2, half = Math.hypot((a - c) / 2, b);
  const angle = Math.atan2(2 * b, a - c) / 2;
  const ring = (level) => Array.from({ length: 73 }, (_, k) => {
    const turn = (2 * Math.PI * k) / 72;
    const u = Math.sqrt((2 * level) / (middle + half)) * Math.cos(turn);
    const v = Math.sqrt((2 * level) / (middle - half)) * Math.sin(turn);
    return spot([u * Math.cos(angle) - v * Math.sin(angle), u * Math.sin(angle) + v * Math.cos(angle)]);
  }).join(" ");
  const from = loss(data.start);
  [0.01, 0.05, 0.15, 0.35, 0.65, 1, 1.6, 2.4].forEach((share) => draw("polyline", figure,
    { points: ring(share * from), fill: "none", stroke: "currentColor", "stroke-opacity": 0.3 }));
  const lines = names.map((name, k) => draw("polyline", figure,
    { fill: "none", stroke: colours[k], "stroke-width": 2.2, "stroke-dasharray": dashes[k] }));
  const ends = names.map((name, k) => {
    const mark = draw("text", figure, { fill: colours[k], "font-size": 15, "font-weight": "bold" });
    mark.textContent = name[0].toUpperCase();
    return mark;
  });
  const [x0, y0] = spot(data.start).split(","), [x1, y1] = spot([0, 0]).split(",");
  draw("circle", figure, { cx: x0, cy: y0, r: 5, fill: "currentColor" });
  draw("path", figure, { d: `M${x1 - 6} ${y1}h12M${x1} ${y1 - 6}v12`, stroke: "currentColor" });

  const table = make("table", place);
  table.style.cssText = "border-collapse:collapse;margin:0.6em 0";
  const row = (texts, kind) => {
    const line = make("tr", table);
    return texts.map((text, k) => {
      const cell = make(kind || (k ? "td" : "th"), line, text);
      cell.style.cssText = "border:1px solid currentColor;padding:0.2em 0.7em;text-align:right";
      return cell;
    });
  };
  row(["optimiser", "loss reached", "first step below a hundredth"], "th");
  const cells = names.map((name, k) => {
    const made = row([name, "", ""]);
    made[0].style.borderLeft = `8px solid ${colours[k]}`;
    return made;
  });
  const told = make("p", place);
  told.setAttribute("aria-live", "polite");

  const update = () => {
    [rate, momentum, count].forEach((one) => one.show());
    const eta = 10 ** rate.value(), m = momentum.value(), steps = count.value();
    const reached = names.map((name, k) => {
      const path = run(name, eta, m, steps);
      const losses = path.map(loss);
      const last = losses[steps];
      const early = losses.findIndex((value) => value < from / 100);
      const safe = path.filter((w) => w.every((value) => Math.abs(value) < 1e6));
      lines[k].setAttribute("points", safe.map(spot).join(" "));
      const [x, y] = spot(safe[safe.length - 1]).split(",");
      ends[k].setAttribute("x", Number(x) + 5);
      ends[k].setAttribute("y", Number(y) - 5);
      cells[k][1].textContent = last < 1e6 ? last.toPrecision(4) : "diverges";
      cells[k][2].textContent = early < 0 ? "not reached" : early;
      return last;
    });
    const best = reached.indexOf(Math.min(...reached.map((l) => (Number.isFinite(l) ? l : Infinity))));
    const limit = (extra) => ((2 * (1 + extra)) / (middle + half)).toPrecision(3);
    told.textContent = `After ${steps} steps ${names[best]} has the lowest loss. ` +
      `On this bowl plain descent diverges above a learning rate of ${limit(0)}, ` +
      `with this momentum above ${limit(m)}.`;
  };
  [rate, momentum, count].forEach((one) => one.input.addEventListener("input", update));
  place.appendChild(note);
  update();
}
