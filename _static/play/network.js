/* The playground: a Bayesian network that learns while the reader watches. */
"use strict";

BookPlay.network = (() => {
  const { draw, engine } = BookPlay;
  const STILL_STEPS = 3000; // how long the network of the still picture has learned
  const STEPS_A_FRAME = 8;
  const WEIGHTS = draw.weightStops(engine.BATCH);
  const SLIDERS = [ // setting, label, stops, decimals, whether the training starts anew
    ["priorStddev", "prior’s width σ<sub>p</sub>", [0.1, 0.2, 0.5, 1, 2, 5], 1, false],
    ["numExamples", "examples N", [64, 128, 256, 512, 1024], 0, true],
    ["units", "units of a hidden layer", [4, 8, 12, 16, 24], 0, true],
    ["startStddev", "σ at the start", [0.01, 0.05, 0.2, 0.5, 1], 2, true],
  ];
  const SWITCHES = [ // setting, label, value when ticked and when not, whether it starts anew
    ["freeze", "freeze σ", true, false, false],
    ["twins", "twins: all layers start from the same numbers", true, false, true],
    ["estimator", "Flipout: each example sees another draw", "flipout", "reparameterization", false],
  ];
  const FRAME = draw.makeFrame(420, 280, engine.SHOWN, [-2.6, 2.6]);

  // ---- what is shown, as text ----

  /** The paths of the picture from a snapshot: doubt and noise, doubt, mean, examples. */
  function curves({ x, mean, doubt, noise, data }) {
    const around = (widths) => draw.band(FRAME, x,
      mean.map((m, i) => m - 2 * widths[i]), mean.map((m, i) => m + 2 * widths[i]));
    return {
      total: around(doubt.map((sd) => Math.hypot(sd, noise))),
      doubt: around(doubt),
      points: Array.from(data.x, (value, i) =>
        `M${FRAME.x(value).toFixed(1)},${FRAME.y(data.y[i]).toFixed(1)}h0`).join(""),
      mean: draw.line(FRAME, x, mean),
    };
  }

  /** Percent of the data's variance that the mean prediction explains. */
  const percent = (snapshot) => Math.max(0, Math.round(100 * snapshot.explained));

  /** The picture in words. */
  function pictureLabel(snapshot) {
    const middle = Math.floor(snapshot.x.length / 2);
    return `Predictions after ${draw.decimal(snapshot.step, 0)} steps: the mean explains ` +
      `${percent(snapshot)} % of the data’s variance. The doubt is ` +
      `${draw.decimal(snapshot.doubt[middle])} in the middle and ` +
      `${draw.decimal(snapshot.doubt[0])} at the left edge, far from the data.`;
  }

  /** The whole picture of a snapshot. */
  function picture(snapshot) {
    const ticks = (values) => values.map((value) => [value, draw.decimal(value, 0)]);
    const paths = Object.entries(curves(snapshot)).map(([name, d]) => draw.path(d, `play-${name}`));
    return draw.svg(FRAME.width, FRAME.height, pictureLabel(snapshot),
      draw.plot(FRAME, paths.join("")) + draw.axes(FRAME, ticks([-3, -2, -1, 0, 1, 2, 3]), ticks([-2, -1, 0, 1, 2]), "x"));
  }

  /** The weight of the KL as a fraction with its number. */
  function fraction({ options: { weight, numExamples } }) {
    const divisors = { "1/N": numExamples, "1/B": engine.BATCH, "1/M": numExamples / engine.BATCH };
    return weight in divisors ? `1/${draw.decimal(divisors[weight], 0)}` : weight;
  }

  /** The loss as a sum, in nats per example. */
  function lossSum(snapshot) {
    return `mean NLL <b>${draw.nats(snapshot.nll)}</b> + ${fraction(snapshot)} × ` +
      `<b>${draw.nats(snapshot.kl)}</b> = <b>${draw.nats(snapshot.loss)}</b> nats per example`;
  }

  /** What the reader should notice, in one sentence. */
  function verdict(snapshot) {
    if (snapshot.step < 300) return "The training has just begun.";
    const share = `The mean explains ${percent(snapshot)} % of the data’s variance.`;
    if (snapshot.explained > 0.4) return share;
    if (snapshot.weight > 1 / snapshot.options.numExamples) {
      return `${share} The network has forgotten its data: this weight of the KL is too large.`;
    }
    return `${share} The layers are at the prior: go back to step 0 to leave it.`;
  }

  /** One row of the table: a layer's name, its terms and its entry, in nats. */
  function tableRow(layer, extent) {
    const terms = draw.TERMS.map(([name]) => `<td>${draw.nats(layer[name])}</td>`);
    return `<tr><th scope="row">${layer.name}<small>${draw.decimal(layer.numWeights, 0)} weights</small>` +
      `</th><td class="play-bars">${draw.termsBar(layer, extent)}</td>${terms.join("")}` +
      `<td><b>${draw.nats(layer.total)}</b></td></tr>`;
  }

  /** The rows of the table: a layer each, and their sum. */
  function tableRows({ losses, kl }) {
    const total = { name: "sum", numWeights: 0, log: 0, scale: 0, square: 0, total: kl };
    for (const layer of losses) {
      for (const name of ["numWeights", "log", "scale", "square"]) total[name] += layer[name];
    }
    const extent = draw.barExtent(losses);
    const bars = losses.map((layer) => tableRow(layer, extent));
    return bars.join("") + tableRow(total, draw.barExtent([total]));
  }

  /** The table of `losses`. */
  function table(snapshot) {
    const heads = draw.TERMS.map(([name, formula]) =>
      `<th scope="col"><i class="play-key play-${name}"></i>${formula}</th>`);
    return `<div class="play-scroll" tabindex="0" role="region" aria-label="losses by layer">` +
      `<table><caption><code>losses</code>, layer by layer, in nats</caption><thead><tr>` +
      `<th scope="col">layer</th><th scope="col" class="play-bars">the terms</th>${heads.join("")}` +
      `<th scope="col">entry</th></tr></thead><tbody>${tableRows(snapshot)}</tbody></table></div>`;
  }

  /** What each weight leads to, measured when the book is built, [name, meaning, ...numbers]. */
  function measureWeights() {
    return WEIGHTS.map(([weight, words, meaning]) => {
      const training = engine.makeTraining({ weight });
      engine.trainSteps(training, STILL_STEPS);
      const found = engine.measure(training);
      return [words, meaning, draw.nats(found.nll), draw.nats(found.kl), `${percent(found)} %`];
    });
  }

  /** The table for readers without scripts, and for print. */
  function stillTable() {
    const columns = ["weight", "mean NLL, nats", "sum of <code>losses</code>, nats", "variance explained"];
    return `<div class="play-still"><p>This is what each weight of the KL leads to.</p>` +
      `${draw.table(`After ${draw.decimal(STILL_STEPS, 0)} steps`, columns, measureWeights())}</div>`;
  }

  /** All that can be moved. */
  function controls() {
    const sliders = SLIDERS.map(([name, label, stops, digits]) =>
      draw.slider(`play-${name}`, label, stops, engine.DEFAULTS[name], digits));
    const switches = SWITCHES.map(([name, label]) =>
      `<label for="play-${name}"><input type="checkbox" id="play-${name}"/>` +
      `<span>${label}</span></label>`);
    return `<div class="play-controls"><p class="play-buttons">` +
      `<button type="button" class="play-run">Watch it learn</button>` +
      `<button type="button" class="play-again">Back to step 0</button></p>` +
      draw.radios("play-weight", "The KL is multiplied by", WEIGHTS, engine.DEFAULTS.weight) +
      `</div><details class="play-controls"><summary>Move the prior, the data, the network</summary>` +
      `<div class="play-more">${sliders.join("")}${switches.join("")}</div></details>`;
  }

  /** The HTML of the playground, with the network of the still picture. */
  function render() {
    const training = engine.makeTraining({});
    engine.trainSteps(training, STILL_STEPS);
    const snapshot = engine.snapshot(training);
    const signs = [["points", "examples"], ["mean", "predictive mean"], ["doubt", "± 2 sd over draws (epistemic)"],
      ["total", "± 2 sd with noise"]];
    return `<div class="play" id="play-network" data-play="network"><div class="play-columns">` +
      `<div class="play-picture">${picture(snapshot)}${draw.legend(signs)}` +
      `<p class="play-loss"><span class="play-step">step ${draw.decimal(snapshot.step, 0)}</span> ` +
      `<span class="play-sum">${lossSum(snapshot)}</span></p>` +
      `<p class="play-verdict">${verdict(snapshot)}</p></div>${controls()}</div>${table(snapshot)}` +
      `<p class="play-spoken" aria-live="polite"></p>${stillTable()}</div>`;
  }

  // ---- in the browser ----

  /** A training in a worker, or in slices on this thread where workers are refused. */
  function makeRunner(onSnapshot) {
    let session = null;
    const here = () => engine.makeSession(
      (snapshot) => setTimeout(() => onSnapshot(snapshot)), () => performance.now());
    let worker = null;
    const log = []; // what a refused worker did not get to do
    try {
      const source = `const engine = ${BookPlay.engineSource};
        const session = engine.makeSession((found) => postMessage(found), () => performance.now());
        onmessage = ({ data }) => session[data.type](data);`;
      worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
      worker.onmessage = ({ data }) => onSnapshot(data);
      worker.onerror = () => {
        worker = null;
        session = here();
        log.forEach((message) => session[message.type](message));
      };
    } catch {
      session = here();
    }
    return (message) => {
      if (session) return session[message.type](message);
      if (message.type !== "advance") log.push(message);
      return worker.postMessage(message);
    };
  }

  /** Show a snapshot in the elements of the page: the picture at once, the numbers when it is time. */
  function show(element, snapshot) {
    for (const [name, d] of Object.entries(curves(snapshot))) {
      element.querySelector(`.play-picture path.play-${name}`).setAttribute("d", d);
    }
    const now = performance.now();
    if (now < element.readable) return;
    element.readable = now + 120; // nobody reads numbers that change sixty times a second
    element.querySelector(".play-picture svg").setAttribute("aria-label", pictureLabel(snapshot));
    element.querySelector(".play-step").textContent = `step ${draw.decimal(snapshot.step, 0)}`;
    element.querySelector(".play-sum").innerHTML = lossSum(snapshot);
    element.querySelector(".play-verdict").textContent = verdict(snapshot);
    element.querySelector("tbody").innerHTML = tableRows(snapshot);
  }

  /** What is said aloud, rarely. */
  function spoken(snapshot) {
    return `Step ${draw.decimal(snapshot.step, 0)}. Mean NLL ${draw.nats(snapshot.nll)} nats, sum of ` +
      `losses ${draw.nats(snapshot.kl)} nats, mean sigma ${draw.decimal(snapshot.stddev)}. ${verdict(snapshot)}`;
  }

  /** The training behind the page's elements: what the inputs call. */
  function makePlayer(element) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)");
    const speak = draw.makeSpeaker(element.querySelector(".play-spoken"));
    const settings = { ...engine.DEFAULTS };
    const state = { running: false, begun: false, seen: true, waiting: 0, step: 0 };
    element.readable = 0;

    /** Ask for the next steps, unless an answer is still to come. */
    function next() {
      if (!state.running || !state.seen || state.waiting > 0) return;
      send({ type: "advance", ...(calm.matches ? { milliseconds: 300, steps: 60 * STEPS_A_FRAME }
        : { milliseconds: 8, steps: STEPS_A_FRAME }) });
    }

    /** Show an answer with the screen's next picture. */
    const post = makeRunner((snapshot) => requestAnimationFrame(() => {
      state.waiting -= 1;
      if (snapshot.step < state.step || !state.running) element.readable = 0;
      state.step = snapshot.step;
      show(element, snapshot);
      if (state.running) speak(spoken(snapshot));
      if (calm.matches) setTimeout(next, 1000);
      else next();
    }));

    /** Send a message; each is answered by one snapshot. */
    function send(message) {
      state.waiting += 1;
      post(message);
    }

    /** Start at step 0, or where the training with these settings is after `steps`. */
    function start(steps = 0) {
      state.begun = true;
      send({ type: "start", settings: { ...settings }, steps });
    }

    /** Run or pause. */
    function toggle() {
      if (!state.begun) start();
      state.running = !state.running;
      element.querySelector(".play-run").textContent = state.running ? "Pause" : "Go on";
      next();
    }

    /** Change a setting: from the next step on, or `anew` from step 0. */
    function set(name, value, anew) {
      if (!state.begun && !anew) start(STILL_STEPS); // go on from the still picture
      settings[name] = value;
      if (anew) return start();
      send({ type: "change", settings: { [name]: value } });
      return state.running || toggle();
    }

    /** Rest while the playground is off the screen. */
    function setSeen(seen) {
      state.seen = seen;
      next();
    }

    return { start, toggle, set, setSeen };
  }

  /** Bring the playground to life: connect its inputs. */
  function mount(element) {
    const player = makePlayer(element);
    const on = (name, event, use) => element.querySelectorAll(name).forEach((input) =>
      input.addEventListener(event, () => use(input)));
    on(".play-run", "click", player.toggle);
    on(".play-again", "click", () => player.start());
    on("[name=play-weight]", "change", ({ value }) => player.set("weight", value, false));
    for (const [name, , stops, digits, anew] of SLIDERS) {
      draw.onSlide(element.querySelector(`#play-${name}`), stops, digits,
        (value) => player.set(name, value, anew));
    }
    for (const [name, , yes, no, anew] of SWITCHES) {
      on(`#play-${name}`, "change", ({ checked }) => player.set(name, checked ? yes : no, anew));
    }
    new IntersectionObserver(([entry]) => player.setSeen(entry.isIntersecting)).observe(element);
  }

  draw.bringToLife("network", mount);
  return { render };
})();
