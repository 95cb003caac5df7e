/* The engine of the playground: a Bayesian network trained by the ELBO. No page, no library.
 *
 * Everything is in double precision. A matrix is a Float64Array, row by row. All divergences and
 * negative log-likelihoods are in nats. The factory's own text starts the worker, so nothing in it
 * may refer to anything outside.
 */
"use strict";

function bookPlayEngine() {
  const NOISE_STDDEV = 0.3; // of the data, in units of y; the network has to learn it
  const START_NOISE = 0.5; // what the network takes it for at step 0
  const BATCH = 32; // examples in one step
  const SHOWN = [-3, 3]; // x from where to where predictions are shown
  const DEFAULTS = {
    numExamples: 256, units: 12, startStddev: 0.05, priorStddev: 1, weight: "1/N",
    estimator: "reparameterization", freeze: false, twins: false, seed: 0, learningRate: 0.01,
  };

  // ---- numbers ----

  /** A generator of uniform numbers in [0, 1) from a whole number (mulberry32). */
  function uniformGenerator(seed) {
    let state = (seed * 2654435761 + 1831565813) >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let bits = Math.imul(state ^ (state >>> 15), 1 | state);
      bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
      return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
    };
  }

  /** A generator of standard normal numbers (Box and Muller) from a whole number. */
  function normalGenerator(seed) {
    const uniform = uniformGenerator(seed);
    let spare = null;
    return () => {
      if (spare !== null) {
        const kept = spare;
        spare = null;
        return kept;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    };
  }

  /** softplus(rho) = log(1 + exp(rho)): a positive scale of any real number. */
  const softplus = (rho) => Math.max(rho, 0) + Math.log1p(Math.exp(-Math.abs(rho)));

  /** The rho whose softplus is the given positive scale. */
  const inverseSoftplus = (scale) => scale + Math.log(-Math.expm1(-scale));

  /** The derivative of softplus. */
  const sigmoid = (rho) => 1 / (1 + Math.exp(-rho));

  /** So many numbers, one call of `next` each. */
  function fill(count, next) {
    const out = new Float64Array(count);
    for (let i = 0; i < count; i += 1) out[i] = next(i);
    return out;
  }

  /** The sum of an array. */
  const sum = (values) => values.reduce((total, value) => total + value, 0);

  /** The mean of an array. */
  const average = (values) => sum(values) / values.length;

  // ---- the KL divergence ----

  /** The terms of KL(N(mean, stddev²) ‖ N(priorMean, priorStddev²)) of one weight, in nats. */
  function klTerms(mean, stddev, priorStddev, priorMean = 0) {
    const ratio = stddev / priorStddev;
    const distance = (mean - priorMean) / priorStddev;
    return {
      log: -Math.log(ratio), // log of the prior's scale over σ
      scale: (ratio * ratio - 1) / 2, // the ratio of the scales, squared
      square: (distance * distance) / 2, // the squared mean: the L2 part
    };
  }

  /** KL of one weight to its prior: the sum of its terms, in nats. */
  function gaussianKl(mean, stddev, priorStddev, priorMean = 0) {
    const terms = klTerms(mean, stddev, priorStddev, priorMean);
    return terms.log + terms.scale + terms.square;
  }

  /** The terms of a layer's KL, summed over its weights, and their sum `total`, in nats. */
  function layerKl(layer, priorStddev) {
    const sums = { log: 0, scale: 0, square: 0 };
    for (let i = 0; i < layer.mean.length; i += 1) {
      const terms = klTerms(layer.mean[i], softplus(layer.rho[i]), priorStddev);
      sums.log += terms.log;
      sums.scale += terms.scale;
      sums.square += terms.square;
    }
    return { ...sums, total: sums.log + sums.scale + sums.square };
  }

  /** Add `weight` times the gradient of the layer's KL to the gradients in mean and rho. */
  function addKlGradients(layer, gradients, weight, priorStddev) {
    const precision = 1 / (priorStddev * priorStddev);
    for (let i = 0; i < layer.mean.length; i += 1) {
      const stddev = softplus(layer.rho[i]);
      gradients.mean[i] += weight * layer.mean[i] * precision;
      gradients.rho[i] += weight * (stddev * precision - 1 / stddev) * sigmoid(layer.rho[i]);
    }
  }

  // ---- the network ----

  /** A Bayesian dense layer [inputs, units]: means, untransformed scales rho, a bias without doubt. */
  function makeLayer(name, inputs, units, startStddev, normal) {
    const size = inputs * units;
    const mean = fill(size, () => 0.1 * normal());
    const rho = fill(size, () => inverseSoftplus(startStddev) + 0.1 * normal());
    return { name, inputs, units, mean, rho, bias: new Float64Array(units) };
  }

  /** Layers 1 → units → units → 1, and the untransformed scale of the noise of y (no prior).
   *  As twins, all layers start from the same numbers. */
  function makeNetwork(options) {
    const { units } = options;
    const shapes = [["hidden_1", 1, units], ["hidden_2", units, units], ["output", units, 1]];
    const layers = shapes.map(([name, inputs, width], index) => {
      const seed = 1000 * options.seed + (options.twins ? 0 : index) + 1;
      return makeLayer(name, inputs, width, options.startStddev, normalGenerator(seed));
    });
    return { layers, noiseRho: Float64Array.of(inverseSoftplus(START_NOISE)) };
  }

  /** The noise of one step for each layer: epsilon [inputs, units], and Flipout's signs or null. */
  function drawNoise(layers, batch, normal, flipout) {
    const sign = () => (normal() < 0 ? -1 : 1);
    return layers.map((layer) => ({
      epsilon: fill(layer.mean.length, normal),
      signIn: flipout ? fill(batch * layer.inputs, sign) : null,
      signOut: flipout ? fill(batch * layer.units, sign) : null,
    }));
  }

  /** a [rows, inner] times b [inner, columns]. */
  function matmul(a, b, rows, inner, columns) {
    const out = new Float64Array(rows * columns);
    for (let r = 0; r < rows; r += 1) {
      for (let k = 0; k < inner; k += 1) {
        const factor = a[r * inner + k];
        if (factor === 0) continue;
        for (let c = 0; c < columns; c += 1) out[r * columns + c] += factor * b[k * columns + c];
      }
    }
    return out;
  }

  /** The transpose [columns, rows] of a matrix [rows, columns]. */
  function transpose(a, rows, columns) {
    const out = new Float64Array(a.length);
    for (let r = 0; r < rows; r += 1) {
      for (let c = 0; c < columns; c += 1) out[c * rows + r] = a[r * columns + c];
    }
    return out;
  }

  /** The product of two arrays, number by number; the first alone where the second is null. */
  function times(a, b) {
    if (b === null) return a;
    const out = new Float64Array(a.length);
    for (let i = 0; i < a.length; i += 1) out[i] = a[i] * b[i];
    return out;
  }

  /** The sum of two arrays, number by number. */
  function plus(a, b) {
    const out = new Float64Array(a.length);
    for (let i = 0; i < a.length; i += 1) out[i] = a[i] + b[i];
    return out;
  }

  /** The values where `signs` is positive, elsewhere 0. With itself: the ReLU. */
  function wherePositive(values, signs) {
    const out = new Float64Array(values.length);
    for (let i = 0; i < values.length; i += 1) out[i] = signs[i] > 0 ? values[i] : 0;
    return out;
  }

  /** One layer's outputs [batch, units] before the activation, and what its gradient needs. */
  function layerForward(layer, inputs, batch, noise) {
    const spread = new Float64Array(layer.rho.length);
    for (let i = 0; i < spread.length; i += 1) spread[i] = softplus(layer.rho[i]) * noise.epsilon[i];
    const weights = plus(layer.mean, spread);
    const shape = [batch, layer.inputs, layer.units];
    let out;
    if (noise.signIn === null) {
      out = matmul(inputs, weights, ...shape);
    } else {
      const turned = times(matmul(times(inputs, noise.signIn), spread, ...shape), noise.signOut);
      out = plus(matmul(inputs, layer.mean, ...shape), turned);
    }
    for (let i = 0; i < out.length; i += 1) out[i] += layer.bias[i % layer.units];
    return { out, inputs, spread, weights };
  }

  /** The network's outputs [batch] and the record of each layer. */
  function forward(layers, x, noise) {
    const records = [];
    let values = x;
    layers.forEach((layer, index) => {
      const record = layerForward(layer, values, x.length, noise[index]);
      records.push(record);
      const last = index === layers.length - 1;
      values = last ? record.out : wherePositive(record.out, record.out);
    });
    return { outputs: values, records };
  }

  /** Gradients of one layer, and of its inputs, from the gradient [batch, units] of its outputs. */
  function layerBackward(layer, record, noise, gradient, batch) {
    const { inputs, units } = layer;
    const flipped = times(gradient, noise.signOut);
    const back = transpose(record.inputs, batch, inputs);
    const mean = matmul(back, gradient, inputs, batch, units);
    const ofSpread = noise.signIn === null ? mean
      : matmul(transpose(times(record.inputs, noise.signIn), batch, inputs),
        flipped, inputs, batch, units);
    const rho = times(ofSpread, noise.epsilon);
    for (let i = 0; i < rho.length; i += 1) rho[i] *= sigmoid(layer.rho[i]);
    const bias = new Float64Array(units);
    for (let i = 0; i < gradient.length; i += 1) bias[i % units] += gradient[i];
    const passed = (matrix, by) =>
      matmul(by, transpose(matrix, inputs, units), batch, units, inputs);
    let ofInputs;
    if (noise.signIn === null) {
      ofInputs = passed(record.weights, gradient);
    } else {
      const turned = times(passed(record.spread, flipped), noise.signIn);
      ofInputs = plus(passed(layer.mean, gradient), turned);
    }
    return { mean, rho, bias, ofInputs };
  }

  /** Mean of the squared differences of two arrays. */
  function meanSquare(outputs, targets) {
    let total = 0;
    for (let i = 0; i < targets.length; i += 1) total += (targets[i] - outputs[i]) ** 2;
    return total / targets.length;
  }

  /** Mean negative log-likelihood of targets [batch] under N(outputs, noise²), nats per example. */
  function meanNll(outputs, targets, noiseStddev) {
    const constant = Math.log(noiseStddev) + Math.log(2 * Math.PI) / 2;
    return meanSquare(outputs, targets) / (2 * noiseStddev ** 2) + constant;
  }

  /** The gradient of the mean NLL in the untransformed scale of the noise. */
  function noiseGradient(outputs, targets, rho) {
    const stddev = softplus(rho);
    return (1 / stddev - meanSquare(outputs, targets) / stddev ** 3) * sigmoid(rho);
  }

  /** Loss of one batch, mean NLL + weight · KL in nats per example, and its gradients.
   *  `network` is { layers, noiseRho [1] }, `noise` the draw of drawNoise. */
  function lossAndGradients(network, x, y, noise, weight, priorStddev) {
    const { layers, noiseRho } = network;
    const batch = x.length;
    const stddev = softplus(noiseRho[0]);
    const { outputs, records } = forward(layers, x, noise);
    const nll = meanNll(outputs, y, stddev);
    let gradient = outputs.map((out, i) => (out - y[i]) / (stddev ** 2 * batch));
    const gradients = new Array(layers.length);
    for (let index = layers.length - 1; index >= 0; index -= 1) {
      const found = layerBackward(layers[index], records[index], noise[index], gradient, batch);
      if (index > 0) {
        gradient = wherePositive(found.ofInputs, records[index - 1].out);
      }
      addKlGradients(layers[index], found, weight, priorStddev);
      gradients[index] = found;
    }
    const losses = layers.map((layer) => layerKl(layer, priorStddev).total);
    const kl = sum(losses);
    const ofNoise = noiseGradient(outputs, y, noiseRho[0]);
    return { nll, losses, loss: nll + weight * kl, gradients, ofNoise };
  }

  // ---- training ----

  /** State of Adam for one array of parameters. */
  const adamState = (size) => ({ first: new Float64Array(size), second: new Float64Array(size) });

  /** One step of Adam on an array, in place; `step` counts from 1. */
  function adamStep(values, gradients, state, step, learningRate) {
    const rate = (learningRate * Math.sqrt(1 - 0.999 ** step)) / (1 - 0.9 ** step);
    for (let i = 0; i < values.length; i += 1) {
      state.first[i] += 0.1 * (gradients[i] - state.first[i]);
      state.second[i] += 0.001 * (gradients[i] ** 2 - state.second[i]);
      values[i] -= (rate * state.first[i]) / (Math.sqrt(state.second[i]) + 1e-7);
    }
  }

  /** Data with a gap: x [n] in two regions, y [n] = sin(2.5 x) + noise. */
  function makeData(numExamples, seed) {
    const uniform = uniformGenerator(7000 + seed);
    const normal = normalGenerator(8000 + seed);
    const x = fill(numExamples, (i) =>
      (i % 2 ? 0.5 + 1.3 * uniform() : -1.8 + 1.1 * uniform()));
    return { x, y: x.map((value) => Math.sin(2.5 * value) + NOISE_STDDEV * normal()) };
  }

  /** The number that multiplies the KL, from its name. */
  function weightOf(name, numExamples, batch = BATCH) {
    const [n, b] = [1 / numExamples, 1 / batch];
    return { 0: 0, "1/N": n, "1/B": b, "1/M": n / b, 1: 1 }[name];
  }

  /** Row numbers 0 … n − 1 in a new order. */
  function shuffled(numExamples, uniform) {
    const order = Array.from(fill(numExamples, (i) => i));
    for (let i = numExamples - 1; i > 0; i -= 1) {
      const j = Math.floor(uniform() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  /** A training at step 0; `settings` as DEFAULTS. */
  function makeTraining(settings) {
    const options = { ...DEFAULTS, ...settings };
    const network = makeNetwork(options);
    const adam = network.layers.map((layer) => ({
      mean: adamState(layer.mean.length),
      rho: adamState(layer.rho.length),
      bias: adamState(layer.bias.length),
    }));
    return {
      options, network, adam, adamOfNoise: adamState(1), step: 0, order: [],
      data: makeData(options.numExamples, 0), // the same data for every seed
      uniform: uniformGenerator(9000 + options.seed),
      normal: normalGenerator(9500 + options.seed),
    };
  }

  /** The next batch: x [batch] and y [batch], without repetition within an epoch. */
  function nextBatch(training) {
    const { data, options } = training;
    if (training.order.length < BATCH) {
      training.order = shuffled(options.numExamples, training.uniform);
    }
    const rows = training.order.splice(0, BATCH);
    return [Float64Array.from(rows, (r) => data.x[r]), Float64Array.from(rows, (r) => data.y[r])];
  }

  /** One step of Adam on mean NLL + weight · KL, with one draw of the weights. */
  function trainStep(training) {
    const { options, network } = training;
    const [x, y] = nextBatch(training);
    const noise = drawNoise(network.layers, x.length, training.normal, options.estimator === "flipout");
    const weight = weightOf(options.weight, options.numExamples);
    const { gradients, ofNoise } = lossAndGradients(
      network, x, y, noise, weight, options.priorStddev);
    training.step += 1;
    adamStep(network.noiseRho, [ofNoise], training.adamOfNoise, training.step,
      options.learningRate);
    network.layers.forEach((layer, index) => {
      for (const part of options.freeze ? ["mean", "bias"] : ["mean", "rho", "bias"]) {
        adamStep(layer[part], gradients[index][part], training.adam[index][part],
          training.step, options.learningRate);
      }
    });
  }

  /** Make `count` steps. */
  function trainSteps(training, count) {
    for (let i = 0; i < count; i += 1) trainStep(training);
  }

  // ---- one weight, in closed form ----

  const ONE_WEIGHT = { batch: 4, average: 0.8 }; // examples in a batch; the average of the targets

  /** The loss of one weight with q = N(mean, stddev²), per example and in nats.
   *
   *  The targets y [N] are w plus noise N(0, 1), their average is 0.8 and their variance 1; the prior
   *  is N(0, 1). `weight` multiplies the KL. */
  function oneWeightLoss(mean, stddev, weight) {
    const nll = (Math.log(2 * Math.PI) + 1 + (ONE_WEIGHT.average - mean) ** 2 + stddev ** 2) / 2;
    const kl = stddev > 0 ? gaussianKl(mean, stddev, 1) : Infinity;
    return { nll, kl, loss: weight > 0 ? nll + weight * kl : nll };
  }

  /** Where that loss is smallest: { mean, stddev }. With the weight 1/N it is the posterior. */
  function oneWeightOptimum(weight) {
    const share = 1 / (1 + weight);
    return { mean: ONE_WEIGHT.average * share, stddev: Math.sqrt(weight * share) };
  }

  // ---- what the reader sees ----

  /** Outputs of `draws` networks at x [points]: one array each; the same noise at every call. */
  function predictByDraws(layers, x, draws, seed) {
    const normal = normalGenerator(12345 + seed);
    return Array.from({ length: draws }, () =>
      forward(layers, x, drawNoise(layers, x.length, normal, false)).outputs);
  }

  /** Mean and standard deviation over draws, both [points], in units of y. */
  function meanAndDoubt(outputs) {
    const mean = outputs[0].map((_, i) => average(outputs.map((draw) => draw[i])));
    const doubt = mean.map((centre, i) =>
      Math.sqrt(average(outputs.map((draw) => (draw[i] - centre) ** 2))));
    return { mean, doubt };
  }

  /** The share of the targets' variance that the predictions explain: 1 is all, 0 nothing. */
  function explained(predictions, targets) {
    const centre = average(targets);
    return 1 - meanSquare(predictions, targets) / meanSquare(targets.map(() => centre), targets);
  }

  /** The mean of all σ of the network. */
  const meanStddev = (layers) =>
    average(layers.flatMap((layer) => Array.from(layer.rho, softplus)));

  /** Mean NLL (of at most 256 examples), `losses` by layer with their terms, and the negative
   *  ELBO per example, in nats. */
  function measure(training, draws = 10) {
    const { options, network, data } = training;
    const [x, y] = [data.x.subarray(0, 256), data.y.subarray(0, 256)];
    const noise = softplus(network.noiseRho[0]);
    const outputs = predictByDraws(network.layers, x, draws, 1);
    const nll = average(outputs.map((draw) => meanNll(draw, y, noise)));
    const losses = network.layers.map((layer) => ({
      name: layer.name, numWeights: layer.mean.length, ...layerKl(layer, options.priorStddev) }));
    const kl = sum(losses.map((layer) => layer.total));
    const weight = weightOf(options.weight, options.numExamples);
    return {
      step: training.step, nll, losses, kl, weight, noise, loss: nll + weight * kl,
      minusElbo: nll + kl / options.numExamples, stddev: meanStddev(network.layers),
      explained: explained(meanAndDoubt(outputs).mean, y),
    };
  }

  /** What one picture needs: the curves over x [points], a few examples, and the numbers. */
  function snapshot(training) {
    const x = fill(61, (i) => SHOWN[0] + ((SHOWN[1] - SHOWN[0]) * i) / 60);
    const outputs = predictByDraws(training.network.layers, x, 30, 0);
    return {
      ...measure(training), options: { ...training.options }, x, ...meanAndDoubt(outputs),
      data: { x: training.data.x.slice(0, 200), y: training.data.y.slice(0, 200) },
    };
  }

  /** Serve a page's messages: `post` sends snapshots, `now` tells milliseconds. */
  function makeSession(post, now) {
    let training = makeTraining({});
    const show = () => post(snapshot(training));
    return {
      /** Start from step 0, or as far as `steps`, with these settings. */
      start({ settings, steps }) {
        training = makeTraining(settings);
        trainSteps(training, steps || 0);
        show();
      },
      /** Settings that hold from the next step on. */
      change({ settings }) {
        Object.assign(training.options, settings);
        show();
      },
      /** Train for some milliseconds, at most so many steps, then show. */
      advance({ milliseconds, steps }) {
        const end = now() + milliseconds;
        let made = 0;
        while (made < steps && (made === 0 || now() < end)) {
          trainStep(training);
          made += 1;
        }
        show();
      },
    };
  }

  return {
    BATCH, DEFAULTS, SHOWN,
    softplus, inverseSoftplus, normalGenerator, klTerms, gaussianKl, layerKl, makeNetwork, drawNoise,
    forward, meanNll, lossAndGradients, makeData, weightOf, makeTraining, trainSteps, measure,
    fill, snapshot, makeSession, ONE_WEIGHT, oneWeightLoss, oneWeightOptimum,
  };
}

globalThis.BookPlay = { engine: bookPlayEngine() }; // the other scripts add to it
if (typeof document !== "undefined") BookPlay.engineSource = `(${bookPlayEngine})()`;
