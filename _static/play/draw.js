/* Drawing for everything that is alive: SVG and HTML as text, so that the same functions draw in the
 * browser and, for readers without scripts, when the book is built. Colours come from play.css.
 */
"use strict";

BookPlay.draw = (() => {
  const TERMS = [
    ["log", "log σ<sub>p</sub>/σ", "log of the prior’s scale over σ"],
    ["scale", "½(σ²/σ<sub>p</sub>² − 1)", "ratio of the scales"],
    ["square", "½μ²/σ<sub>p</sub>²", "squared mean: the L2 part"],
  ];

  /** A number with so many decimals, thousands apart, and a real minus sign. */
  function decimal(value, digits = 2) {
    if (!Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "?";
    const [whole, rest] = Math.abs(value).toFixed(digits).split(".");
    const sign = value < 0 && Number(Math.abs(value).toFixed(digits)) > 0 ? "−" : "";
    return sign + whole.replace(/\B(?=(\d{3})+$)/g, ",") + (rest ? `.${rest}` : "");
  }

  /** Nats with as many decimals as are worth reading. */
  const nats = (value) => decimal(value, Math.abs(value) < 9.995 ? 2 : 1);

  /** A drawing area: maps x and y, each from a range [low, high], to pixels. */
  function makeFrame(width, height, xRange, yRange, margin = { left: 30, right: 8, top: 8, bottom: 24 }) {
    const across = (width - margin.left - margin.right) / (xRange[1] - xRange[0]);
    const up = (height - margin.top - margin.bottom) / (yRange[1] - yRange[0]);
    return {
      width, height, margin, xRange, yRange,
      x: (x) => margin.left + (x - xRange[0]) * across,
      y: (y) => height - margin.bottom - Math.min(Math.max((y - yRange[0]) * up, -999), 999),
    };
  }

  /** Points as the text of a path: "x,y x,y ...". */
  function points(frame, xs, ys) {
    return Array.from(xs, (x, i) => `${frame.x(x).toFixed(1)},${frame.y(ys[i]).toFixed(1)}`);
  }

  /** The path of a line through (xs, ys), both [points]. */
  const line = (frame, xs, ys) => `M${points(frame, xs, ys).join("L")}`;

  /** The path of the area between two curves, all [points]. */
  function band(frame, xs, lows, highs) {
    const back = points(frame, xs, highs).reverse();
    return `M${points(frame, xs, lows).join("L")}L${back.join("L")}Z`;
  }

  /** What is drawn above the axis of x: what leads out of there is cut. */
  const plot = ({ width, height, margin }, inside) =>
    `<svg width="${width}" height="${height - margin.bottom}">${inside}</svg>`;

  /** A path with the classes that colour it. */
  const path = (d, classes) => `<path class="${classes}" d="${d}"/>`;

  /** Text at a place in pixels. */
  const text = (x, y, words, anchor = "middle") =>
    `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${words}</text>`;

  /** Both axes: ticks as [value, words], the name of x at the right end. */
  function axes(frame, xTicks, yTicks, xName) {
    const { width, height, margin } = frame;
    const bottom = height - margin.bottom;
    const lines = [`M${margin.left},${bottom}H${width - margin.right}`];
    const words = [];
    for (const [value, shown] of xTicks) {
      lines.push(`M${frame.x(value).toFixed(1)},${bottom}v4`);
      words.push(text(frame.x(value), bottom + 16, shown));
    }
    for (const [value, shown] of yTicks) {
      lines.push(`M${margin.left},${frame.y(value).toFixed(1)}h-4`);
      words.push(text(margin.left - 6, frame.y(value) + 4, shown, "end"));
    }
    words.push(text(width - margin.right, bottom - 5, xName, "end"));
    return path(lines.join(""), "play-axis") + words.join("");
  }

  /** A whole picture: `label` says to those who cannot see it what it shows. */
  function svg(width, height, label, inside) {
    return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">${inside}</svg>`;
  }

  /** The three terms of a KL, in nats, as a bar: below zero to the left, above it to the right.
   *  `extent` is [lowest, highest] of the scale that several bars share. */
  function termsBar(terms, extent) {
    const scale = 200 / Math.max(extent[1] - extent[0], 1e-9);
    let left = -extent[0] * scale;
    let right = left;
    const zero = left.toFixed(1);
    const parts = TERMS.map(([name]) => {
      const size = Math.abs(terms[name]) * scale;
      const start = terms[name] < 0 ? (left -= size) : right;
      if (terms[name] >= 0) right += size;
      return `<rect class="play-${name}" x="${start.toFixed(1)}" width="${size.toFixed(1)}" height="14"/>`;
    });
    return `<svg class="play-bar" viewBox="0 0 200 14" preserveAspectRatio="none" aria-hidden="true">` +
      `${parts.join("")}<path class="play-axis" d="M${zero},0V14"/></svg>`;
  }

  /** The scale that holds the bars of all given terms: [lowest, highest] in nats. */
  function barExtent(all) {
    const sum = (terms, sign) =>
      TERMS.reduce((total, [name]) => total + Math.max(sign * terms[name], 0), 0);
    return [-Math.max(...all.map((terms) => sum(terms, -1))), Math.max(...all.map((t) => sum(t, 1)))];
  }

  /** Signs with words: [[class, words], …]. */
  function legend(entries) {
    const items = entries.map(([name, words]) => `<li><i class="play-key play-${name}"></i>${words}</li>`);
    return `<ul class="play-legend">${items.join("")}</ul>`;
  }

  /** A table from the names of its columns and its rows, [name, what it means, ...cells] each. */
  function table(caption, columns, rows) {
    const heads = columns.map((words) => `<th scope="col">${words}</th>`).join("");
    const lines = rows.map(([name, meaning, ...cells]) =>
      `<tr><th scope="row">${name}<small>${meaning}</small></th><td>${cells.join("</td><td>")}</td></tr>`);
    return `<table><caption>${caption}</caption><thead><tr>${heads}</tr></thead>` +
      `<tbody>${lines.join("")}</tbody></table>`;
  }

  /** A slider over the numbers of `stops`, at `value`; shows what it stands at. */
  function slider(id, label, stops, value, digits) {
    const at = stops.indexOf(value);
    return `<div class="play-field"><label for="${id}">${label}</label>` +
      `<output for="${id}">${decimal(value, digits)}</output>` +
      `<input type="range" id="${id}" min="0" max="${stops.length - 1}" step="1" value="${at}" ` +
      `aria-valuetext="${decimal(value, digits)}" autocomplete="off"/></div>`;
  }

  /** Let a slider show its number; `use` gets the number at each change. */
  function onSlide(input, stops, digits, use) {
    input.addEventListener("input", () => {
      const value = stops[Number(input.value)];
      const shown = decimal(value, digits);
      input.setAttribute("aria-valuetext", shown);
      input.parentElement.querySelector("output").textContent = shown;
      use(value);
    });
  }

  /** Marked stops, one of which is chosen: [[value, words, what it means], …]. */
  function radios(name, title, stops, chosen) {
    const items = stops.map(([value, words, meaning], i) =>
      `<label for="${name}-${i}"><input type="radio" name="${name}" id="${name}-${i}" value="${value}"` +
      `${value === chosen ? " checked" : ""}/><span><b>${words}</b> ${meaning}</span></label>`);
    return `<fieldset class="play-stops"><legend>${title}</legend>${items.join("")}</fieldset>`;
  }

  /** The weights of the KL to choose from. */
  const weightStops = (batch) => [
    ["0", "0", "the KL is forgotten"],
    ["1/N", "1/N", "N examples: the ELBO"],
    ["1/B", "1/B", `B = ${batch}, the batch size`],
    ["1/M", "1/M", "M batches in an epoch"],
    ["1", "1", "not divided"],
  ];

  /** Speak for screen readers, but not more often than every `pause` milliseconds. */
  function makeSpeaker(element, pause = 5000) {
    let waiting = null;
    let last = 0;
    let sentence = "";
    return (words) => {
      sentence = words;
      waiting = waiting || setTimeout(() => {
        [waiting, last] = [null, Date.now()];
        element.textContent = sentence;
      }, Math.max(700, last + pause - Date.now()));
    };
  }

  /** Bring to life what stands on the page: mount(element) for the data-play of this name. */
  function bringToLife(name, mount) {
    if (typeof document === "undefined") return; // when the book is built
    document.querySelectorAll(`[data-play="${name}"]`).forEach((element) => mount(element));
  }

  return {
    TERMS, decimal, nats, makeFrame, line, band, plot, path, axes, svg, termsBar, barExtent, legend, table,
    slider, onSlide, radios, weightStops, makeSpeaker, bringToLife,
  };
})();
