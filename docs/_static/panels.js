// The panels of notebooks 05 and 09 without a kernel. Without this script, what is stored of them stands in their place.
"use strict";

(() => {
  const COLOURS = ["#d9663b", "#3d8fbf", "#4b9b5f"], DASHES = ["", "7 4", "2 3"];

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function table(caption, head, rows) {
    return make("table", {},
      make("caption", {}, caption),
      make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((text) => make("td", {}, text))))));
  }

  const dollars = (amount) =>
    amount >= 0.01 || amount === 0
      ? `$${amount.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`
      : `$${amount.toFixed(6)}`;
  const short = (number) => number.toLocaleString("en", { maximumSignificantDigits: 3 });

  function costPanel(place, { prices, durations, rates }) {
    const lasting = (keep) => durations.filter((_, place) => keep(place));
    const controls = {
      requestsPerSecond: slider("requests per second", rates.map((rate) => [short(rate), rate]), 100),
      processes: slider("processes", [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map((n) => [short(n), n]), 10),
      lifetime: slider("a process lives", lasting((place) => place > 0), 86400),
      ttl: slider("time to live of a copy", lasting((place) => place < durations.length - 1), 3600),
      secrets: slider("secrets", [...Array(20).keys()].map((n) => [`${n + 1}`, n + 1]), 1),
      replicas: slider("replicas of each", [...Array(6).keys()].map((n) => [`${n}`, n]), 0),
      customerKey: box("with a customer managed KMS key"),
    };
    const shown = make("div", { "aria-live": "polite" });
    const form = make("div", { class: "controls" }, ...Object.values(controls).map((one) => one.label));
    place.replaceChildren(form, shown);

    function draw() {
      const fleet = Object.fromEntries(Object.entries(controls).map(([name, one]) => [name, one.value()]));
      const costs = prices.ways.map((_, way) => cost({ ...fleet, way }, prices));
      const rows = costs.map((one, way) => [
        prices.ways[way],
        Math.round(one.callsPerMonth).toLocaleString("en"),
        ...[one.calls, one.keeping, one.key, one.dollars].map(dollars),
        `${(one.shareOfQuota * 100).toFixed(2)}%${one.shareOfQuota > 1 ? " – throttled" : ""}`,
      ]);
      const head = ["Way", "Calls a month", "API calls", "Keeping the secrets", "KMS key", "Sum", "Of the quota"];
      const words = `Without a cache, calls cost more than keeping the secret from ` +
        `${short(breakEven(fleet, prices))} requests per second on; AWS throttles from ` +
        `${short(throttledFrom(fleet, prices))} on, and calls that it refuses are not billed here.`;
      shown.replaceChildren(
        chart(fleet, costs),
        make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Dollars per month" },
          table("Dollars per month", head, rows)),
        make("p", {}, words));
    }

    function chart(fleet, costs) {
      const [width, height, left, bottom] = [Math.min(640, place.clientWidth), 280, 86, 44];
      const curves = prices.ways.map((_, way) =>
        rates.map((rate) => [rate, cost({ ...fleet, way, requestsPerSecond: rate }, prices).dollars]));
      const all = curves.flat().map(([, amount]) => Math.log10(amount));
      const [low, high] = [Math.floor(Math.min(...all)), Math.ceil(Math.max(...all))];
      const [first, last] = [Math.log10(rates[0]), Math.log10(rates[rates.length - 1])];
      const x = (rate) => left + ((Math.log10(rate) - first) / (last - first)) * (width - left - 34);
      const y = (amount) => height - bottom - ((Math.log10(amount) - low) / (high - low)) * (height - bottom - 10);
      const svg = (tag, attributes, text = "") => {
        const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
        for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
        element.textContent = text;
        return element;
      };
      const said = `Dollars per month over requests per second, both scales logarithmic. At ` +
        `${short(fleet.requestsPerSecond)} requests per second: ` +
        costs.map((one, way) => `${prices.ways[way]} ${dollars(one.dollars)}`).join(", ") + ".";
      const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said });
      for (let power = low; power <= high; power++) {
        const at = y(10 ** power);
        picture.append(svg("line", { x1: left, x2: width - 34, y1: at, y2: at, class: "grid" }),
          svg("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, `$${short(10 ** power)}`));
      }
      for (let power = Math.ceil(first); power <= last; power++) {
        if (width < 500 && power % 2) continue;
        picture.append(svg("text", { x: x(10 ** power), y: height - bottom + 18, "text-anchor": "middle" }, short(10 ** power)));
      }
      picture.append(svg("text", { x: (width + left) / 2, y: height - 6, "text-anchor": "middle" }, "requests per second"));
      const here = x(fleet.requestsPerSecond);
      picture.append(svg("line", { x1: here, x2: here, y1: 10, y2: height - bottom, class: "here" }));
      curves.forEach((curve, way) => {
        const points = curve.map(([rate, amount]) => `${x(rate)},${y(amount)}`).join(" ");
        picture.append(svg("polyline", {
          points, fill: "none", stroke: COLOURS[way], "stroke-width": 2.5, "stroke-dasharray": DASHES[way],
        }));
      });
      const legend = make("p", { class: "legend" }, ...prices.ways.map((way, place) => {
        const line = svg("svg", { viewBox: "0 0 30 8", width: 30, height: 8, "aria-hidden": "true" });
        line.append(svg("line", {
          x1: 0, x2: 30, y1: 4, y2: 4, stroke: COLOURS[place], "stroke-width": 2.5, "stroke-dasharray": DASHES[place],
        }));
        return make("span", {}, line, ` ${way}`);
      }));
      return make("figure", {}, picture, legend);
    }

    for (const one of Object.values(controls)) one.input.addEventListener("input", draw);
    draw();
  }

  function slider(name, options, start) {
    const place = options.findIndex(([, value]) => value === start);
    const input = make("input", { type: "range", min: 0, max: options.length - 1, value: place });
    const output = make("output");
    const follow = () => {
      output.textContent = options[input.value][0];
      input.setAttribute("aria-valuetext", options[input.value][0]);
    };
    input.addEventListener("input", follow);
    follow();
    return { input, label: make("label", {}, make("span", {}, name), input, output), value: () => options[input.value][1] };
  }

  function box(name) {
    const input = make("input", { type: "checkbox" });
    return { input, label: make("label", {}, make("span", {}, name), input), value: () => input.checked };
  }

  function labPanel(place, troubles) {
    const choice = make("select", {}, ...troubles.map((one, at) => make("option", { value: at }, one.trouble)));
    const shown = make("div", { "aria-live": "polite" });
    place.replaceChildren(make("label", {}, make("span", {}, "Trouble"), choice), shown);
    function draw() {
      const { trouble, right, why, ways } = troubles[choice.value];
      const rows = ways.map(([way, did, wasRight]) => [way, did, wasRight ? "yes" : "no"]);
      shown.replaceChildren(
        make("p", {}, `Right is: ${right}. ${why}`),
        table(`${trouble}, as it was recorded`, ["Way", "What it did", "Right"], rows));
    }
    choice.addEventListener("change", draw);
    draw();
  }

  const PANELS = { cost: costPanel, lab: labPanel };
  for (const panel of document.querySelectorAll(".live-panel")) {
    const [data, place] = panel.children;
    PANELS[panel.dataset.panel](place, JSON.parse(data.textContent));
  }
})();
