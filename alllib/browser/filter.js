// A filter of three by three weights on a small grey image: the reader moves the weights and sees
// the map at once. What slides is the filter as it stands (cross-correlation), without padding.
// data: { side, grey: [side * side grey levels, row by row], presets: {name: {weights: [9], divisor}} }
function render(place, data) {
  const note = place.querySelector("p");
  const { side, grey, presets } = data, small = side - 2;
  // The theme sets outputs dark on dark pages, too.
  place.style.color = "var(--pst-color-text-base, inherit)";
  const make = (kind, parent, text) => {
    const node = document.createElement(kind);
    if (text !== undefined) node.textContent = text;
    parent.appendChild(node);
    return node;
  };
  const slider = (parent, title, least, most, value) => {
    const line = make("label", parent);
    line.style.cssText = "display:block;font-size:0.85em";
    make("span", line, title).style.display = "block";
    const input = make("input", line);  // before the output: a label is that of its first control
    Object.assign(input, { type: "range", min: least, max: most, step: 1, value });
    input.style.cssText = "width:calc(100% - 3em);vertical-align:middle";
    const shown = make("output", line);
    return { input, show: () => (shown.textContent = " " + input.value) };
  };
  const buttons = make("div", place);
  const pictures = make("div", place);
  pictures.style.cssText = "display:flex;gap:1em;flex-wrap:wrap;margin:0.6em 0";
  const canvas = (title, size) => {
    const frame = make("figure", pictures);
    frame.style.cssText = "margin:0;width:45%;max-width:260px";
    const sheet = make("canvas", frame);
    sheet.width = sheet.height = size;
    sheet.style.cssText = "width:100%;image-rendering:pixelated;border:1px solid currentColor";
    sheet.setAttribute("role", "img");
    make("figcaption", frame, title).style.fontSize = "0.85em";
    return sheet;
  };
  const before = canvas("image", side), after = canvas("map", small);
  before.setAttribute("aria-label", `A grey image of a cell, ${side} by ${side} pixels`);
  const grid = make("div", place);
  grid.style.cssText = "display:grid;grid-template-columns:repeat(3,1fr);gap:0.3em 1em;max-width:560px";
  const weights = [];
  for (let k = 0; k < 9; k++) {
    const title = `row ${Math.floor(k / 3) + 1}, column ${(k % 3) + 1}`;
    weights.push(slider(grid, title, -8, 8, 0));
  }
  const more = make("div", place);
  more.style.cssText = "max-width:560px;margin:0.4em 0";
  const divisor = slider(more, "all divided by", 1, 16, 1);
  const offset = make("label", more);
  offset.style.fontSize = "0.85em";
  const middle = make("input", offset);
  middle.type = "checkbox";
  make("span", offset, " show zero as grey, so that what is negative can be seen");
  const told = make("p", place);
  told.setAttribute("aria-live", "polite");

  const paint = (sheet, size, value) => {
    const context = sheet.getContext("2d"), picture = context.createImageData(size, size);
    for (let k = 0; k < size * size; k++) {
      picture.data.fill(value(k), 4 * k, 4 * k + 3);  // clipped to 0..255 by the array
      picture.data[4 * k + 3] = 255;
    }
    context.putImageData(picture, 0, 0);
  };
  const update = () => {
    [...weights, divisor].forEach((one) => one.show());
    const w = weights.map((one) => Number(one.input.value)), by = Number(divisor.input.value);
    const map = [];
    for (let row = 0; row < small; row++) {
      for (let column = 0; column < small; column++) {
        let sum = 0;
        for (let k = 0; k < 9; k++) {
          sum += w[k] * grey[(row + Math.floor(k / 3)) * side + column + (k % 3)];
        }
        map.push(sum / by);
      }
    }
    paint(after, small, (k) => (middle.checked ? 128 + map[k] / 2 : map[k]));
    const least = Math.min(...map), most = Math.max(...map);
    const mean = map.reduce((a, b) => a + b, 0) / map.length;
    const total = w.reduce((a, b) => a + b, 0) / by;
    told.textContent = `The weights add up to ${total.toFixed(2)}. Values of the map, ` +
      `${small} by ${small}: smallest ${least.toFixed(1)}, largest ${most.toFixed(1)}, ` +
      `mean ${mean.toFixed(1)}.`;
    after.setAttribute("aria-label", `The map. ${told.textContent}`);
  };
  const choose = (preset) => {
    weights.forEach((one, k) => (one.input.value = preset.weights[k]));
    divisor.input.value = preset.divisor;
    // Weights that cancel make values around zero, half of which would be black.
    middle.checked = preset.weights.reduce((a, b) => a + b, 0) === 0;
    update();
  };
  for (const [name, preset] of Object.entries(presets)) {
    const button = make("button", buttons, name);
    button.type = "button";
    button.style.marginRight = "0.4em";
    button.addEventListener("click", () => choose(preset));
  }
  [...weights, divisor].forEach((one) => one.input.addEventListener("input", update));
  middle.addEventListener("change", update);
  paint(before, side, (k) => grey[k]);
  place.appendChild(note);
  choose(Object.values(presets)[0]);
}
