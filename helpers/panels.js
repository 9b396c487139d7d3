// The panels of widgets.py. They run in the page, so they need no kernel; without a script their first state is shown.
"use strict";

const ORANGE = "#d9663b", BLUE = "#3d8fbf";
const STYLE = `
  .live-panel .controls { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 0.4rem 2rem; }
  .live-panel label { display: grid; grid-template-columns: 1fr auto; align-content: start; }
  .live-panel input { accent-color: ${BLUE}; }
  .live-panel input[type="range"] { grid-column: 1 / -1; width: 100%; margin: 0.3rem 0; }
  .live-panel svg { display: block; width: 100%; max-width: 640px; }
  .live-panel svg text { fill: currentColor; font-size: 13px; paint-order: stroke; stroke-width: 3px; }
  .live-panel svg text { stroke: var(--jp-layout-color0, var(--pst-color-background, Canvas)); }
  .live-panel svg .line { stroke: currentColor; stroke-opacity: 0.2; }
  .live-panel svg .here { stroke: currentColor; stroke-dasharray: 5 4; }
  .live-panel .wide { overflow-x: auto; margin: 1rem 0; }
  .live-panel caption { caption-side: top; text-align: left; }
  .live-panel :is(td, th) { padding: 0.2em 0.5em; }
`;

function make(tag, attributes = {}, ...children) {
  const drawn = ["svg", "line", "text", "rect", "circle", "polyline"].includes(tag);
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

function costTitle(rate, [without, cached]) {
  const at = `At ${rate.toLocaleString("en")} ${rate === 1 ? "request" : "requests"} a second`;
  const throttled = Math.round((1 - 1 / without.shareOfQuota) * 100);
  return throttled > 0
    ? `${at}, AWS throttles ${throttled}% of the calls without a cache; with AWS's library you pay ${dollars(cached.sum)}`
    : `${at}: ${dollars(without.sum)} without a cache, ${dollars(cached.sum)} with AWS's library`;
}

function costChart(fleet, title, { prices, rates, ways }, width) {
  const [height, top, left, right, bottom] = [290, 26, 80, 30, 44];
  const sums = (rate) => ways.map((_, way) => cost({ ...fleet, requests_per_second: rate }, way > 0, prices).sum);
  const curves = rates.map(sums), all = curves.flat();
  const [low, high] = [Math.floor(Math.log10(Math.min(...all) / 2)), Math.ceil(Math.log10(Math.max(...all)))];
  const [first, last] = [rates[0], rates.at(-1)].map(Math.log10);
  const x = (rate) => left + ((Math.log10(rate) - first) / (last - first)) * (width - left - right);
  const y = (sum) => height - bottom - ((Math.log10(sum) - low) / (high - low)) * (height - bottom - top);
  const chart = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `Dollars a month over requests a second, both axes logarithmic. ${title}.` });
  const put = (tag, attributes, ...text) => chart.append(make(tag, attributes, ...text));
  const write = (x, y, anchor, text) => put("text", { x, y, "text-anchor": anchor }, text);
  const quota = x(prices.QUOTA_PER_SECOND), here = fleet.requests_per_second;
  put("rect", { x: quota, y: top, width: width - right - quota, height: height - bottom - top, fill: ORANGE, "fill-opacity": 0.2 });
  write(width - right, 16, "end", "throttled without a cache");
  write(0, 16, "start", "dollars a month");
  for (let power = low; power <= high; power++) {
    const at = y(10 ** power);
    put("line", { x1: left, x2: width - right, y1: at, y2: at, class: "line" });
    write(left - 6, at + 4, "end", `$${short(10 ** power)}`);
  }
  for (let power = Math.ceil(first); power <= last; power += width < 500 ? 2 : 1)
    write(x(10 ** power), height - bottom + 18, "middle", short(10 ** power));
  write((width + left) / 2, height - 6, "middle", "requests a second");
  put("line", { x1: x(here), x2: x(here), y1: top, y2: height - bottom, class: "here" });
  [ORANGE, BLUE].forEach((colour, way) => {
    const points = curves.map((both, at) => `${x(rates[at])},${y(both[way])}`).join(" ");
    put("polyline", { points, fill: "none", stroke: colour, "stroke-width": 2.5 });
    put("circle", { cx: x(here), cy: y(sums(here)[way]), r: 5, fill: colour });
  });
  // Left of the line that rises, and below the one that lies lower.
  write(x(2000) - 10, y(sums(2000)[0]), "end", ways[0]);
  write(width - right - 4, y(curves.at(-1)[1]) + 17, "end", ways[1]);
  return chart;
}

// What each panel shows for the chosen values: first what it says of them.
const DRAW = {
  cost(fleet, data, width) {
    const costs = data.ways.map((_, way) => cost(fleet, way > 0, data.prices));
    const title = costTitle(fleet.requests_per_second, costs);
    const shown = costs.map((one) => [
      Math.round(one.callsPerMonth).toLocaleString("en"),
      ...[one.calls, one.keeping, one.sum].map(dollars),
    ]);
    const rows = data.rows.map((name, at) => [name, ...shown.map((column) => column[at])]);
    return [make("strong", {}, title), costChart(fleet, title, data, width), table("A month", ["", ...data.ways], rows)];
  },
  lab({ failure: { said, title, rows } }, { columns }) {
    return [said, table(title, columns, rows)];
  },
};

for (const panel of document.querySelectorAll(".live-panel:not([data-is-live])")) {
  panel.dataset.isLive = "yes";
  const [json, place] = panel.children, data = JSON.parse(json.textContent);
  const controls = data.controls.map(control), said = make("p", { "aria-live": "polite" }), shown = make("div");
  place.replaceChildren(
    make("style", {}, STYLE), make("div", { class: "controls" }, ...controls.map((one) => one.label)), said, shown);
  let width = 640;
  const draw = () => {
    const values = Object.fromEntries(controls.map((one) => [one.name, one.value()]));
    const [words, ...parts] = DRAW[panel.dataset.panel](values, data, width);
    said.replaceChildren(words);
    shown.replaceChildren(...parts);
  };
  place.addEventListener("input", draw);
  draw();
  new ResizeObserver(() => requestAnimationFrame(() => {
    const fits = Math.min(640, place.clientWidth || 640);
    if (fits !== width) {
      width = fits;
      draw();
    }
  })).observe(place);
}
