/* The weight of the KL: where the best q of one weight goes, in closed form. */
"use strict";

BookPlay.weight = (() => {
  const { draw, engine } = BookPlay;
  const BATCH = engine.ONE_WEIGHT.batch;
  const SIZES = [8, 16, 32, 64, 128, 256, 512];
  const START = { name: "1/N", numExamples: 32 };
  const STOPS = draw.weightStops(BATCH);
  const RANGE = [-1.5, 2.5]; // of the weight w
  const X = engine.fill(161, (i) => RANGE[0] + i / 40);
  const LOG_WIDTHS = [-2, 0.3]; // powers of ten of σ
  const POWERS = engine.fill(47, (i) => -2 + i / 20);

  /** The weight of the KL from its name. */
  const weightOf = ({ name, numExamples }) => engine.weightOf(name, numExamples, BATCH);

  /** The density of N(mean, stddev²) at each of X, per unit of w; a spike where stddev is 0. */
  function density({ mean, stddev }) {
    const width = Math.max(stddev, 0.012);
    return X.map((x) =>
      Math.exp(-(((x - mean) / width) ** 2) / 2) / (width * Math.sqrt(2 * Math.PI)));
  }

  /** The best q over the prior, and the exact posterior. */
  function densities(chosen) {
    const best = engine.oneWeightOptimum(weightOf(chosen));
    const exact = density(engine.oneWeightOptimum(1 / chosen.numExamples));
    const frame = draw.makeFrame(330, 210, RANGE, [0, 1.35 * Math.max(...exact)],
      { left: 8, right: 8, top: 6, bottom: 24 });
    const zero = X.map(() => 0);
    const label = `The best q has the mean ${draw.decimal(best.mean)} and the standard deviation ` +
      `${draw.decimal(best.stddev)}. The exact posterior has the standard deviation ` +
      `${draw.decimal(engine.oneWeightOptimum(1 / chosen.numExamples).stddev)}.`;
    return draw.svg(frame.width, frame.height, label,
      draw.plot(frame, draw.path(draw.band(frame, X, zero, density({ mean: 0, stddev: 1 })), "play-prior") +
      draw.path(draw.band(frame, X, zero, density(best)), "play-posterior") +
      draw.path(draw.line(frame, X, exact), "play-exact")) +
      draw.axes(frame, [-1, 0, 1, 2].map((value) => [value, draw.decimal(value, 0)]), [], "w"));
  }

  /** Both parts of the loss against σ, and their sum, in nats of the data set; the NLL is counted from
   *  its value at σ = 0. */
  function lossParts(chosen, stddev) {
    const { numExamples } = chosen;
    const weight = weightOf(chosen);
    const { mean } = engine.oneWeightOptimum(weight);
    const { nll, kl } = engine.oneWeightLoss(mean, stddev, weight);
    const data = numExamples * (nll - engine.oneWeightLoss(mean, 0, weight).nll);
    return { data, kl: numExamples * weight * kl, mean: data + numExamples * weight * kl };
  }

  /** These three curves, with the lowest point of the sum. */
  function curves(chosen) {
    const { stddev } = engine.oneWeightOptimum(weightOf(chosen));
    const found = Array.from(POWERS, (power) => lossParts(chosen, 10 ** power));
    const lowest = Math.log10(Math.max(stddev, 0.01));
    const least = lossParts(chosen, 10 ** lowest).mean;
    const top = [4, 8, 20, 40, 80, 200, 400, 800].find((size) => size > 1.8 * least);
    const frame = draw.makeFrame(330, 210, LOG_WIDTHS, [0, top]);
    const lines = ["data", "kl", "mean"].map((name) =>
      draw.path(draw.line(frame, POWERS, found.map((parts) => parts[name])), `play-${name}`));
    const ticks = [[-2, "0.01"], [-1, "0.1"], [0, "1"]];
    const heights = [0, 1, 2, 3, 4].map((i) => [(i * top) / 4, draw.decimal((i * top) / 4, 0)]);
    const place = `M${frame.x(lowest).toFixed(1)},${frame.y(least).toFixed(1)}h0`;
    return draw.svg(frame.width, frame.height,
      `The loss against the width of q is lowest at ${draw.decimal(stddev)}.`, draw.plot(frame, lines.join("")) +
      draw.path(place, "play-best") + draw.axes(frame, ticks, heights, "σ"));
  }

  /** The numbers at the optimum. */
  function numbers(chosen) {
    const weight = weightOf(chosen);
    const { mean, stddev } = engine.oneWeightOptimum(weight);
    const { nll, kl } = engine.oneWeightLoss(mean, stddev, weight);
    const exact = engine.oneWeightOptimum(1 / chosen.numExamples).stddev;
    const counts = weight > 0 ? `Your ${chosen.numExamples} examples count as ` +
      `<b>${draw.decimal(1 / weight, Number.isInteger(1 / weight) ? 0 : 1)}</b>.`
      : "Without the KL, σ shrinks to 0: more certainty than any data can give.";
    return `Best q: mean <b>${draw.decimal(mean)}</b>, σ <b>${draw.decimal(stddev, 3)}</b> (exact: ` +
      `${draw.decimal(exact, 3)}); mean NLL <b>${draw.decimal(nll, 3)}</b> nats, KL ` +
      `<b>${draw.nats(kl)}</b> nats. ${counts}`;
  }

  /** All that changes with the choice. */
  const changing = (chosen) =>
    `<div class="play-pair">${densities(chosen)}${curves(chosen)}</div>` +
    `<p class="play-sum">${numbers(chosen)}</p>`;

  /** A table of all stops, for readers without scripts and for print. */
  function stillTable() {
    const rows = STOPS.map(([name, words, meaning]) => {
      const weight = weightOf({ ...START, name });
      const { mean, stddev } = engine.oneWeightOptimum(weight);
      const { nll, kl } = engine.oneWeightLoss(mean, stddev, weight);
      return [words, meaning, ...[mean, stddev, nll].map((x) => draw.decimal(x, 3)), draw.nats(kl)];
    });
    const columns = ["weight", "mean", "σ", "mean NLL, nats", "KL, nats"];
    return `<div class="play-still">` +
      `${draw.table(`The best q with ${START.numExamples} examples`, columns, rows)}</div>`;
  }

  /** The HTML of the explorer. */
  function render() {
    const signs = [["posterior", "best q"], ["exact", "exact posterior"], ["prior", "prior"],
      ["data", "NLL in σ"], ["kl", "weight × KL"], ["mean", "their sum, in nats"]];
    return `<div class="play" id="play-weight" data-play="weight"><div class="play-changing">${changing(START)}</div>` +
      `${draw.legend(signs)}<div class="play-controls play-columns">` +
      draw.radios("play-one-weight", "The KL is multiplied by", STOPS, START.name) +
      draw.slider("play-one-size", "examples N", SIZES, START.numExamples, 0) +
      `</div><p class="play-spoken" aria-live="polite"></p>${stillTable()}</div>`;
  }

  /** Bring the explorer to life. */
  function mount(element) {
    const chosen = { ...START };
    const speak = draw.makeSpeaker(element.querySelector(".play-spoken"), 2000);
    const use = (change) => {
      Object.assign(chosen, change);
      element.querySelector(".play-changing").innerHTML = changing(chosen);
      speak(element.querySelector(".play-sum").textContent);
    };
    element.querySelectorAll("[name=play-one-weight]").forEach((radio) =>
      radio.addEventListener("change", () => use({ name: radio.value })));
    draw.onSlide(element.querySelector("#play-one-size"), SIZES, 0,
      (numExamples) => use({ numExamples }));
  }

  draw.bringToLife("weight", mount);
  return { render };
})();
