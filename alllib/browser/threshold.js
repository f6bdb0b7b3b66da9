// A decision threshold: the reader moves it, and sees the confusion matrix and, at a share of the
// disease that they choose as well, the predictive values.
// data: { positive, negative: class names; scores: {positive: [...], negative: [...]} }
function render(place, data) {
  const note = place.querySelector("p");
  const make = (kind, parent, text) => {
    const node = document.createElement(kind);
    if (text !== undefined) node.textContent = text;
    parent.appendChild(node);
    return node;
  };
  const slider = (title, value, digits) => {
    const line = make("label", place);
    line.style.display = "block";
    make("span", line, title + " ");
    const input = make("input", line);
    Object.assign(input, { type: "range", min: 0, max: 1, step: 0.01, value });
    input.style.cssText = "width:60%;vertical-align:middle";
    const shown = make("output", line);
    return { input, show: () => (shown.textContent = " " + Number(input.value).toFixed(digits)) };
  };
  const cut = slider("threshold", 0.5, 2);
  const share = slider("share of the disease among the cells", 0.5, 2);
  const table = make("table", place);
  table.style.cssText = "border-collapse:collapse;margin:0.6em 0";
  const line = (cells, head) => {
    const row = make("tr", table);
    return cells.map((text, k) => {
      const cell = make(head || k === 0 ? "th" : "td", row, text);
      cell.style.cssText = "border:1px solid currentColor;padding:0.2em 0.7em;text-align:right";
      return cell;
    });
  };
  const { positive, negative, scores } = data;
  line(["true class", `called ${positive}`, `called ${negative}`], true);
  const first = line([positive, "", ""]);
  const second = line([negative, "", ""]);
  const told = make("p", place);
  told.setAttribute("aria-live", "polite");
  const percent = (value) => (Number.isFinite(value) ? (100 * value).toFixed(1) + " %" : "not defined");
  const update = () => {
    cut.show();
    share.show();
    const t = Number(cut.input.value), prevalence = Number(share.input.value);
    const hit = scores.positive.filter((s) => s >= t).length;
    const alarm = scores.negative.filter((s) => s >= t).length;
    const counts = [hit, scores.positive.length - hit, alarm, scores.negative.length - alarm];
    [first[1], first[2], second[1], second[2]].forEach((cell, k) => (cell.textContent = counts[k]));
    const sensitivity = hit / scores.positive.length;
    const specificity = 1 - alarm / scores.negative.length;
    const ppv = (sensitivity * prevalence) /
      (sensitivity * prevalence + (1 - specificity) * (1 - prevalence));
    const npv = (specificity * (1 - prevalence)) /
      (specificity * (1 - prevalence) + (1 - sensitivity) * prevalence);
    told.textContent = `Sensitivity ${percent(sensitivity)}, specificity ${percent(specificity)}; ` +
      `of the cells called ${positive}, ${percent(ppv)} are; ` +
      `of those called ${negative}, ${percent(npv)} are.`;
  };
  [cut, share].forEach((one) => one.input.addEventListener("input", update));
  place.appendChild(note);
  update();
}
