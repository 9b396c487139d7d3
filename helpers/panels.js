// The panels of widgets.py. They run in the page, so they need no kernel; without a script their first state is shown.
"use strict";

const COLOURS = ["#d9663b", "#3d8fbf", "#4b9b5f"], DASHES = ["", "7 4", "2 3"];
const STYLE = `
  .live-panel .controls { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 0.4rem 2rem; }
  .live-panel label { display: grid; grid-template-columns: 1fr auto; }
  .live-panel input { accent-color: #3d8fbf; }
  .live-panel input[type="range"] { grid-column: 1 / -1; width: 100%; margin: 0.3rem 0; }
  .live-panel figure { margin: 1rem 0 0; }
  .live-panel figure svg[role="img"] { width: 100%; max-width: 640px; }
  .live-panel svg text { fill: currentColor; font-size: 13px; }
  .live-panel svg .line { stroke: currentColor; stroke-opacity: 0.2; }
  .live-panel svg .here { stroke: currentColor; stroke-dasharray: 5 4; }
  .live-panel .legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; }
  .live-panel .wide { overflow-x: auto; margin-bottom: 1rem; }
  .live-panel caption { caption-side: top; text-align: left; }
  .live-panel :is(td, th) { padding: 0.2em 0.6em; }
`;

function make(tag, attributes = {}, ...children) {
  const drawn = ["svg", "line", "text", "rect", "polyline"].includes(tag);
  const element = drawn ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function table(caption, head, rows) {
  const sides = rows[0].map((text) => (/^[$\d]/.test(text) ? "right" : "left"));
  const row = (tag, cells) =>
    make("tr", {}, ...cells.map((text, at) => make(tag, { style: `text-align: ${sides[at]}` }, text)));
  return make("div", { class: "wide", tabindex: 0, role: "region", "aria-label": caption },
    make("table", {},
      make("caption", {}, caption),
      make("thead", {}, row("th", head)),
      make("tbody", {}, ...rows.map((cells) => row("td", cells)))));
}

const dollars = (amount) =>
  amount >= 0.01 || amount === 0
    ? `$${amount.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`
    : `$${amount.toFixed(6)}`;
const short = (number) => number.toLocaleString("en", { maximumSignificantDigits: 3 });

// With this attribute, JupyterLab leaves an input its keys; else an arrow would move to another cell.
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

// A slider over steps that have a text each, or a check box where there are no steps.
function control([name, text, steps, start]) {
  if (!steps.length) {
    const input = make("input", { type: "checkbox", ...OWN_KEYS });
    return { name, label: make("label", {}, make("span", {}, text), input), value: () => input.checked };
  }
  const input = make("input", { type: "range", min: 0, max: steps.length - 1, value: start, ...OWN_KEYS });
  const output = make("output");
  const follow = () => {
    output.textContent = steps[input.value][0];
    input.setAttribute("aria-valuetext", steps[input.value][0]);
  };
  input.addEventListener("input", follow);
  follow();
  return { name, label: make("label", {}, make("span", {}, text), output, input), value: () => steps[input.value][1] };
}

function costChart(fleet, costs, { prices, ways, rates }, width) {
  const [height, left, right, bottom] = [300, 86, 34, 44];
  const curves = ways.map((_, way) => rates.map((rate) => cost({ ...fleet, way, requests_per_second: rate }, prices).dollars));
  const powers = curves.flat().map(Math.log10);
  const [low, high] = [Math.floor(Math.min(...powers)), Math.ceil(Math.max(...powers))];
  const [first, last] = [rates[0], rates[rates.length - 1]].map(Math.log10);
  const x = (rate) => left + ((Math.log10(rate) - first) / (last - first)) * (width - left - right);
  const y = (amount) => height - bottom - ((Math.log10(amount) - low) / (high - low)) * (height - bottom - 10);
  const said = `Dollars per month over requests per second, both scales logarithmic. At ` +
    `${short(fleet.requests_per_second)} requests per second: ` +
    costs.map((one, way) => `${ways[way]} ${dollars(one.dollars)}`).join(", ") + ".";
  const chart = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said });
  const put = (tag, attributes, ...text) => chart.append(make(tag, attributes, ...text));
  for (let power = low; power <= high; power++) {
    const at = y(10 ** power);
    put("line", { x1: left, x2: width - right, y1: at, y2: at, class: "line" });
    put("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, `$${short(10 ** power)}`);
  }
  for (let power = Math.ceil(first); power <= last; power += width < 500 ? 2 : 1)
    put("text", { x: x(10 ** power), y: height - bottom + 18, "text-anchor": "middle" }, short(10 ** power));
  put("text", { x: (width + left) / 2, y: height - 6, "text-anchor": "middle" }, "requests per second");
  const refused = x(Math.min(throttledFrom(fleet, prices), 10 ** last));
  put("rect", { x: refused, y: 10, width: width - right - refused, height: height - bottom - 10, fill: COLOURS[0], "fill-opacity": 0.2 });
  if (refused < width - right) put("text", { x: refused - 4, y: 22, "text-anchor": "end" }, "throttled without a cache");
  const here = x(fleet.requests_per_second), side = here < width / 2 ? "start" : "end";
  put("line", { x1: here, x2: here, y1: 10, y2: height - bottom, class: "here" });
  put("text", { x: here + (side === "start" ? 5 : -5), y: height - bottom - 8, "text-anchor": side }, "your rate");
  const stroke = (way) => ({ fill: "none", stroke: COLOURS[way], "stroke-width": 2.5, "stroke-dasharray": DASHES[way] });
  curves.forEach((curve, way) =>
    put("polyline", { ...stroke(way), points: curve.map((amount, at) => `${x(rates[at])},${y(amount)}`).join(" ") }));
  const legend = ways.map((way, at) => make("span", {},
    make("svg", { viewBox: "0 0 30 8", width: 30, height: 8, "aria-hidden": "true" },
      make("line", { x1: 0, x2: 30, y1: 4, y2: 4, ...stroke(at) })), ` ${way}`));
  return make("figure", {}, chart, make("p", { class: "legend" }, ...legend));
}

// What each panel shows for the chosen values.
const DRAW = {
  cost(fleet, data, width) {
    const { prices, ways, columns } = data;
    const costs = ways.map((_, way) => cost({ ...fleet, way }, prices));
    const rows = costs.map((one, way) => [
      ways[way],
      Math.round(one.callsPerMonth).toLocaleString("en"),
      ...[one.calls, one.keeping, one.key, one.dollars].map(dollars),
      `${(one.shareOfQuota * 100).toFixed(2)}%${one.shareOfQuota > 1 ? " – throttled" : ""}`,
    ]);
    const words = `Without a cache, calls cost more than keeping the secret from ` +
      `${short(breakEven(fleet, prices))} requests per second on; AWS throttles from ` +
      `${short(throttledFrom(fleet, prices))} on, and calls that it refuses are not billed here.`;
    return [costChart(fleet, costs, data, width), table("Dollars per month", columns, rows), make("p", {}, words)];
  },
  forgotten(chosen, { prices, columns, caption, dollars: own, calls }) {
    const parts = around(chosen, calls, prices);
    const sum = parts.reduce((one, other) => one + other, own);
    return [table(caption, columns, [["as chosen", ...[own, ...parts, sum].map(dollars)]])];
  },
  lab({ failure: { said, title, rows } }, { columns }) {
    return [make("p", {}, said), table(title, columns, rows)];
  },
};

for (const panel of document.querySelectorAll(".live-panel:not([data-is-live])")) {
  panel.dataset.isLive = "yes";
  const [json, place] = panel.children, data = JSON.parse(json.textContent);
  const controls = data.controls.map(control), shown = make("div", { "aria-live": "polite" });
  place.replaceChildren(
    make("style", {}, STYLE), make("div", { class: "controls" }, ...controls.map((one) => one.label)), shown);
  const draw = () => {
    const values = Object.fromEntries(controls.map((one) => [one.name, one.value()]));
    shown.replaceChildren(...DRAW[panel.dataset.panel](values, data, Math.min(640, place.clientWidth || 640)));
  };
  place.addEventListener("input", draw);
  draw();
}
