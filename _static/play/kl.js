/* The KL explorer: one weight's posterior and prior, the KL in nats, and its terms. */
"use strict";

BookPlay.kl = (() => {
  const { draw, engine } = BookPlay;
  const START = { mean: 0.8, stddev: 0.3, priorStddev: 1 };
  const WIDTHS = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2, 2.5, 3];
  const SLIDERS = [ // setting, label, stops, decimals
    ["mean", "μ, the mean of q", Array.from({ length: 61 }, (_, i) => (i - 30) / 10), 1],
    ["stddev", "σ, the width of q", WIDTHS, 2],
    ["priorStddev", "σ<sub>p</sub>, the width of the prior", WIDTHS, 2],
  ];
  const RANGE = [-5, 5]; // of the weight w
  const X = engine.fill(201, (i) => RANGE[0] + i / 20);

  /** The density of N(mean, stddev²) at each of X, per unit of w. */
  const density = (mean, stddev) => X.map((x) =>
    Math.exp(-(((x - mean) / stddev) ** 2) / 2) / (stddev * Math.sqrt(2 * Math.PI)));

  /** Both densities as a picture. */
  function picture({ mean, stddev, priorStddev }) {
    const [q, p] = [density(mean, stddev), density(0, priorStddev)];
    const top = 1.08 * Math.max(...q, ...p);
    const frame = draw.makeFrame(420, 200, RANGE, [0, top], { left: 8, right: 8, top: 6, bottom: 24 });
    const zero = X.map(() => 0);
    const ticks = [-4, -2, 0, 2, 4].map((value) => [value, draw.decimal(value, 0)]);
    const label = `The densities of q, with mean ${draw.decimal(mean)} and standard deviation ` +
      `${draw.decimal(stddev)}, and of the prior, with mean 0 and ${draw.decimal(priorStddev)}.`;
    return draw.svg(frame.width, frame.height, label,
      draw.path(draw.band(frame, X, zero, p), "play-prior") +
      draw.path(draw.band(frame, X, zero, q), "play-posterior") + draw.axes(frame, ticks, [], "w"));
  }

  /** The KL, its terms as a bar and as numbers, and the L2 guess, all in nats. */
  function numbers({ mean, stddev, priorStddev }) {
    const terms = engine.klTerms(mean, stddev, priorStddev);
    const rows = draw.TERMS.map(([name, formula, meaning]) =>
      `<tr><th scope="row"><i class="play-key play-${name}"></i>${formula}<small>${meaning}</small></th>` +
      `<td>${draw.decimal(terms[name], 3)}</td></tr>`);
    const kl = engine.gaussianKl(mean, stddev, priorStddev);
    return `${draw.termsBar(terms, draw.barExtent([terms]))}<table><tbody>${rows.join("")}` +
      `<tr><th scope="row">KL(q ‖ p)<small>what the weight adds to <code>losses</code></small></th>` +
      `<td><b>${draw.decimal(kl, 3)}</b></td></tr></tbody></table>` +
      `<p>The L2 guess would say ½μ² = ${draw.decimal((mean * mean) / 2, 3)} nats.</p>`;
  }

  /** The HTML of the explorer. */
  function render() {
    const sliders = SLIDERS.map(([name, label, stops, digits]) =>
      draw.slider(`play-kl-${name}`, label, stops, START[name], digits));
    return `<div class="play" id="play-kl" data-play="kl"><div class="play-columns"><div>` +
      `<div class="play-picture">${picture(START)}</div>` +
      draw.legend([["posterior", "q, the posterior of the weight"], ["prior", "p, the prior"]]) +
      `<div class="play-controls">${sliders.join("")}</div></div>` +
      `<div class="play-numbers">${numbers(START)}</div></div>` +
      `<p class="play-spoken" aria-live="polite"></p></div>`;
  }

  /** Bring the explorer to life. */
  function mount(element) {
    const chosen = { ...START };
    const speak = draw.makeSpeaker(element.querySelector(".play-spoken"), 2000);
    for (const [name, , stops, digits] of SLIDERS) {
      draw.onSlide(element.querySelector(`#play-kl-${name}`), stops, digits, (value) => {
        chosen[name] = value;
        element.querySelector(".play-picture").innerHTML = picture(chosen);
        element.querySelector(".play-numbers").innerHTML = numbers(chosen);
        const kl = engine.gaussianKl(chosen.mean, chosen.stddev, chosen.priorStddev);
        speak(`KL ${draw.decimal(kl, 3)} nats.`);
      });
    }
  }

  draw.bringToLife("kl", mount);
  return { render };
})();
