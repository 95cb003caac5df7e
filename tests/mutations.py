"""Statements about the book's claims that are false, each as a change of one code cell.

A sign is flipped, a term is dropped, two methods change places in the data under a claim, a wrong N
stands in a formula, a run stops before it has converged. `test_mutations.py` executes the page with
the change: an assert must notice. Started as a script, it says how many the pages notice.
"""

from typing import NamedTuple


class Mutation(NamedTuple):
    """What is changed in a chapter, the claim that is false then, and why no assert sees it."""

    chapter: str
    claim: str
    old: str
    new: str
    survives: str = ""


def swapped(one: str, other: str) -> str:
    """Return the line that reads the comparison of methods, with two of them exchanged."""
    return (
        "results = read_uncertainty()\n"
        "rows = results.measurements\n"
        f'one, other = (rows.index[rows["method"] == it] for it in ("{one}", "{other}"))\n'
        'columns = rows.columns.drop(["seed", "task", "method", "notes"])\n'
        "exchanged = rows.loc[[*other, *one], columns].to_numpy()\n"
        "rows.loc[[*one, *other], columns] = exchanged"
    )


READ = "results = read_uncertainty()"
MUTATIONS = [
    Mutation(
        "00",
        "an entry of losses is the KL with all its terms",
        "mean**2 / 2 + stddev**2 / 2 - np.log(stddev) - 1 / 2",
        "mean**2 / 2 - np.log(stddev) - 1 / 2",
    ),
    Mutation(
        "00",
        "the logarithm of sigma is subtracted",
        "- np.log(stddev) - 1 / 2",
        "+ np.log(stddev) - 1 / 2",
    ),
    Mutation(
        "00",
        "the L2 part is a part, and not the largest",
        "np.sum(0.5 * np.square(q.mean()))",
        "np.sum(0.5 * np.square(q.mean()) - np.log(q.stddev()))",
    ),
    Mutation(
        "01",
        "half the squared norm of the means is a small part of losses",
        "neural_net(train.images[:1])\nkl = float(kl_divergence(neural_net))",
        "neural_net(train.images[:1])\nkl = float(kl_divergence(neural_net)) / 10_000",
    ),
    Mutation(
        "01",
        "Monte Carlo agrees with the closed form within its error",
        "estimate = monte_carlo_kl(posterior, prior, num_draws=100_000, seed=SEED)",
        "estimate = monte_carlo_kl(prior, posterior, num_draws=100_000, seed=SEED)",
    ),
    Mutation(
        "01",
        "losses holds the KL from q to the prior, not the other direction",
        "q_to_p = float(tfd.kl_divergence(layer.kernel_posterior, layer.kernel_prior))",
        "q_to_p = float(tfd.kl_divergence(layer.kernel_prior, layer.kernel_posterior))",
    ),
    Mutation(
        "01",
        "an L2 penalty with half over N takes the path of a frozen posterior",
        '("L2(0.5 / N)", 0.5 / num_examples),',
        '("L2(0.5 / N)", 1.0 / num_examples),',
    ),
    Mutation(
        "01",
        "without the scale terms sigma shrinks, with them it grows",
        "at_first, with_kl, with_l2, later = quantiles.loc[0.5]",
        "at_first, with_l2, with_kl, later = quantiles.loc[0.5]",
    ),
    Mutation(
        "01",
        "at 60 epochs without the scale terms sigma is far from its end",
        "for num_epochs, more in ((60, 60), (240, 180)):",
        "for num_epochs, more in ((60, 60), (240, 1)):",
    ),
    Mutation(
        "02",
        "the entry in losses is the KL",
        "mean, stddev = self.mean, self.stddev()\n        nats = mean**2 / 2",
        "mean, stddev = self.mean, self.stddev()\n        nats = mean**2",
    ),
    Mutation(
        "02",
        "the layer draws with the standard deviation, as TFP's does",
        "weights = self.mean + self.stddev() * noise",
        "weights = self.mean + self.stddev() ** 2 * noise",
    ),
    Mutation(
        "02",
        "Flipout flips the signs of the outputs too",
        "noise = ((inputs * input_signs) @ weight_noise) * output_signs",
        "noise = (inputs * input_signs) @ weight_noise",
    ),
    Mutation(
        "02",
        "with signs of its own each example has uncorrelated noise",
        "flipped = ((pair * input_signs) @ weight_noise) * output_signs",
        "flipped = ((pair * input_signs[:, :1]) @ weight_noise) * output_signs[:, :1]",
    ),
    Mutation(
        "02",
        "with q first the fit keeps to one hump",
        '"KL(q ‖ target)": lambda log_q, log_target: kl_on_grid(log_q, log_target),',
        '"KL(q ‖ target)": lambda log_q, log_target: kl_on_grid(log_target, log_q),',
    ),
    Mutation(
        "04",
        "a batch has the share KL over M",
        '"KL part": [kl / num_examples, kl / num_batches, kl],',
        '"KL part": [kl / num_examples, kl / batch_size, kl],',
    ),
    Mutation(
        "04",
        "the KL to the exact posterior is what the ELBO misses",
        '"kl_to_exact": np.trapezoid(density * (log_q - log_exact), grid),',
        '"kl_to_exact": np.trapezoid(density * (log_exact - log_q), grid),',
    ),
    Mutation(
        "04",
        "the loop divides the KL by N, as fit does",
        "loss = mean_nll + sum(loop_net.losses) / num_examples",
        "loss = mean_nll + sum(loop_net.losses) / (num_examples - batch_size)",
    ),
    Mutation(
        "04",
        "a doubled KL gives fewer nats than the right one",
        '"2/N": 2 / num_examples,\n    "1/N": 1 / num_examples,',
        '"2/N": 1 / num_examples,\n    "1/N": 2 / num_examples,',
    ),
    Mutation(
        "04",
        "training digits prefer no KL, turned ones a network that guesses",
        "winners = results[list(data_sets)].idxmax()",
        "winners = results[list(data_sets)].idxmin()",
    ),
    Mutation(
        "04",
        "undivided KLs end in collapse, once the run has ended",
        "num_epochs=150,",
        "num_epochs=30,",
    ),
    Mutation(
        "04",
        "the hidden biases have switched the collapsed network off",
        "bias.assign(tf.zeros_like(bias))",
        "bias.assign(tf.reverse(bias, [0]))",
    ),
    Mutation(
        "05",
        "the last quarter of the training adds little",
        "num_epochs=num_epochs,",
        "num_epochs=num_epochs // 3,",
    ),
    Mutation(
        "05",
        "the plain loop and train_by_elbo weigh the KL alike, up to the scatter of draws",
        "by_loop = train_plainly(",
        "by_loop = (lambda *a, **k: train_by_elbo(*a, kl_weight=2 / num_examples, **k))(",
    ),
    Mutation(
        "05",
        "the units whose outgoing weights hold nothing are the silent ones",
        'silent, active = activations[~used["hidden_1"]], activations[used["hidden_1"]]',
        'active, silent = activations[~used["hidden_1"]], activations[used["hidden_1"]]',
    ),
    Mutation(
        "05",
        "averaged probabilities gain from more draws",
        "of_probabilities = held_out_density(runs.cumsum(axis=1) / counts)",
        "of_probabilities = held_out_density(np.exp(np.log(runs).cumsum(axis=1) / counts))",
    ),
    Mutation(
        "05",
        "chance makes calibration errors of this size",
        'error = "expected_calibration_error"',
        'error = "expected_calibration_error"\nbayesian[error] *= 2',
    ),
    Mutation(
        "05",
        "without the draws the network is far surer",
        "alone = tf.nn.softmax(mean_net(turned))[None]",
        "alone = tf.nn.softmax(mean_net(turned) / 20)[None]",
    ),
    Mutation(
        "05",
        "averaged logits are worse than averaged probabilities",
        "mean_logits = np.log(at_angle[90].draws).mean(axis=0)",
        "mean_logits = np.log(at_angle[90].draws.mean(axis=0))",
    ),
    Mutation(
        "06",
        "with the class of 2018 two layers of one shape are no twins",
        "old_normal = tf.compat.v1.initializers.random_normal",
        "old_normal = tf_keras.initializers.RandomNormal",
    ),
    Mutation(
        "06",
        "the documented loss adds the KL to each example",
        "documented = tf.reduce_sum(neg_log_likelihoods + unscaled_kl)",
        "documented = tf.reduce_sum(neg_log_likelihoods) + unscaled_kl",
    ),
    Mutation(
        "06",
        "the program of today learns, with a KL that is divided by N",
        "loss = -log_likelihood + kl / num_examples",
        "loss = -log_likelihood + kl",
    ),
    Mutation(
        "06",
        "layers that divide have N times less in losses",
        "return tfd.kl_divergence(posterior, prior) / num_examples",
        "return tfd.kl_divergence(posterior, prior) / len(images)",
    ),
    Mutation(
        "08",
        "ELBO and gap add up: the spread of the weights belongs to the likelihood",
        "squares += np.sum(features**2 @ stddev**2)",
        "squares += 0.0 * np.sum(features**2 @ stddev**2)",
    ),
    Mutation(
        "08",
        "TFP's layers arrive at the best independent Gaussians",
        "kl_weight, steps=2000, rate=0.03):",
        "kl_weight, steps=300, rate=0.03):",
    ),
    Mutation(
        "08",
        "the KL weight of the exact answer is one over N",
        "known_noise_nll, kl_weight=1 / num_examples)",
        "known_noise_nll, kl_weight=2 / num_examples)",
    ),
    Mutation(
        "08",
        "MSE has the noise variance one half",
        "half = tfd.Normal(outputs, 0.5**0.5)",
        "half = tfd.Normal(outputs, 0.5)",
    ),
    Mutation(
        "08",
        "independent weights are too sure for some patients and not sure enough for others",
        "relative = np.sqrt(factorised_inside / inside)",
        "relative = np.sqrt(inside / factorised_inside)",
    ),
    Mutation(
        "08",
        "mean field is too wide at the data and too narrow in the gap",
        "exact_width, field_width = (f.std(axis=0) for f in draws.values())",
        "field_width, exact_width = (f.std(axis=0) for f in draws.values())",
    ),
    Mutation(
        "08",
        "mean field keeps the bound between two groups, the exact posterior breaks it",
        "for name, width in zip(draws, (exact_width, field_width), strict=True)",
        "for name, width in zip(draws, (field_width, exact_width), strict=True)",
    ),
    Mutation(
        "08",
        "the exact posterior predicts better",
        "exact_lpd, field_lpd = map(log_predictive_densities, draws.values())",
        "field_lpd, exact_lpd = map(log_predictive_densities, draws.values())",
    ),
    Mutation(
        "08",
        "the units out of use widen the band at the data",
        "in_use = signal > 2",
        "in_use = signal <= 2",
    ),
    Mutation(
        "09",
        "the spread of one example is the root of the summed variances",
        "exact_spread = np.sqrt(pair**2 @ variance)",
        "exact_spread = np.sqrt(pair**2 @ np.sqrt(variance))",
    ),
    Mutation(
        "09",
        "the three gradients are unbiased",
        "distance = np.linalg.norm(mine - its)",
        "distance = np.linalg.norm(1.2 * mine - its)",
    ),
    Mutation(
        "09",
        "local reparameterization gains even with one example, Flipout does not",
        "[ratios[n, part, size] for size in num_pairs] for n in rest",
        "[ratios[n, part, size] for size in num_pairs] for n in rest[::-1]",
    ),
    Mutation(
        "09",
        "the larger the batch, the more draws of reparameterization match Flipout",
        'size: 1 / ratios[rest[0], "means", size].value for size in (16, 64, 256)',
        'size: ratios[rest[0], "means", size].value for size in (16, 64, 256)',
    ),
    Mutation(
        "09",
        "only reparameterization draws whole functions",
        'for name in ("DenseReparameterization", "DenseFlipout"):',
        'for name in ("DenseFlipout", "DenseReparameterization"):',
    ),
    Mutation(
        "09",
        "the variance falls with the number of draws",
        "gradients = draws[reference].means  # [640, weights]",
        "gradients = np.repeat(draws[reference].means[::4], 4, axis=0)",
    ),
    Mutation(
        "10",
        "the mixture is a density, so its KL is in nats",
        "return np.logaddexp(*parts) - np.log(2)",
        "return np.logaddexp(*parts)",
    ),
    Mutation(
        "10",
        "a long training takes idle weights out of the spike",
        "for steps in (300, 2700, 3000):",
        "for steps in (300, 100, 200):",
    ),
    Mutation(
        "10",
        "the log ratio has the posterior first",
        "log_ratio = q.log_prob(draws) - one_weight.log_prob(draws)",
        "log_ratio = one_weight.log_prob(draws) - q.log_prob(draws)",
    ),
    Mutation(
        "10",
        "the estimate averages over draws, never over weights",
        "return tf.reduce_mean(log_ratio)  # over draws, never over weights",
        "return tf.reduce_sum(log_ratio)",
    ),
    Mutation(
        "10",
        "the KL falls from a narrow start and rises from a start at the prior",
        '("narrow start", normal_history),\n            ("start at the prior", at_prior_history),',
        '("narrow start", at_prior_history),\n            ("start at the prior", normal_history),',
    ),
    Mutation(
        "10",
        "the penalty of a point under a narrow prior is negative",
        "tfd.Normal(tf.zeros(shape, dtype), 0.05)",
        "tfd.Normal(tf.zeros(shape, dtype), 5.0)",
    ),
    Mutation(
        "10",
        "a bare prior acts like a wider prior",
        '"bare prior": (650, 1), "bare posterior": (1, 650)',
        '"bare prior": (1, 650), "bare posterior": (650, 1)',
    ),
    Mutation(
        "11",
        "a tenth of the right weight predicts better than the right weight",
        'by_seed = pd.DataFrame(record["weights"])',
        'by_seed = pd.DataFrame(record["weights"]).replace({"factor": {0.1: 1.0, 1.0: 0.1}})',
    ),
    Mutation(
        "11",
        "the heavier the KL, the fewer nats",
        "learn_digits(kl_weight=factor / num_examples)",
        "learn_digits(kl_weight=factor / len(test.labels))",
    ),
    Mutation(
        "11",
        "a wider prior makes the network surer",
        "wider = widths.loc[3.0]",
        "wider = widths.loc[0.3]",
    ),
    Mutation(
        "11",
        "under the unit prior the KL grows with the width, under the scaled one it does not",
        'scaled, default = fits.loc["N(0, 1/inputs)"], fits.loc["N(0, 1)"]',
        'default, scaled = fits.loc["N(0, 1/inputs)"], fits.loc["N(0, 1)"]',
    ),
    Mutation(
        "11",
        "a wide network gains less over its prior, KL included",
        'lead = len(x) * (fits["prior NLL"] - fits["NLL"]) - fits["KL"]',
        'lead = len(x) * (fits["prior NLL"] - fits["NLL"]) + fits["KL"]',
    ),
    Mutation(
        "11",
        "the order by the mean is as good as that by the ratio, a random order is not",
        '"by |μ|": prune_in_order(digits_net, sizes),\n'
        '    "at random": prune_in_order(digits_net, any_order),',
        '"by |μ|": prune_in_order(digits_net, any_order),\n'
        '    "at random": prune_in_order(digits_net, sizes),',
    ),
    Mutation(
        "11",
        "from nine tenths on, the ELBO is ahead of the L2 part",
        'by_share = pd.DataFrame(record["pruning"]).pivot_table(',
        'by_share = pd.DataFrame(record["pruning"]).replace(\n'
        '    {"trained": {"ELBO": "L2 part only", "L2 part only": "ELBO"}}\n'
        ").pivot_table(",
    ),
    Mutation(
        "11",
        "the scaled prior has the variance of one over the inputs",
        "scale = shape[0] ** -0.5 if prior_stddev is None else prior_stddev",
        "scale = 1.0 if prior_stddev is None else prior_stddev",
    ),
    Mutation(
        "12",
        "the KL of the codes is averaged over the batch",
        "self.add_loss(self.beta * tf.reduce_mean(kl))",
        "self.add_loss(self.beta * tf.reduce_sum(kl))",
    ),
    Mutation(
        "12",
        "the NLL of the table is that of reconstructions",
        '"NLL": -elbo - kl,',
        '"NLL": -elbo + kl,',
    ),
    Mutation(
        "12",
        "a doubled KL leaves fewer nats in the codes",
        'right, doubled = results.loc["right"], results.loc["doubled"]',
        'doubled, right = results.loc["right"], results.loc["doubled"]',
    ),
    Mutation(
        "12",
        "the gap is smaller on digits that the encoder was trained on",
        "0.3 < seen_gap.mean() / test_gap.mean() < 0.8",
        "0.3 < test_gap.mean() / seen_gap.mean() < 0.8",
    ),
    Mutation(
        "12",
        "the grid covers the codes",
        "def mean_evidence(vae, images, half_width=8.0, num_points=301):",
        "def mean_evidence(vae, images, half_width=2.5, num_points=301):",
    ),
    Mutation(
        "12",
        "averaged pixels make the KL 1024 times too heavy",
        "constants = nll_per_image(DOTS * images, logits) - DOTS * 64 * averaged",
        "constants = nll_per_image(DOTS * images, logits) - 64 * averaged",
    ),
    Mutation(
        "13",
        "the exact posterior beats the ensemble, Bayesian layers only on some sets",
        READ,
        swapped("bayesian", "hmc"),
    ),
    Mutation(
        "13",
        "Bayesian layers win, tie and lose against the ensemble",
        READ,
        swapped("bayesian", "ensemble"),
    ),
    Mutation(
        "13",
        "no method has more density than a plain network, the baseline",
        'to_plain = compare_with(results, density, "plain", shown)',
        'to_plain = compare_with(results, density, "bayesian", shown)',
    ),
    Mutation(
        "13",
        "the exact posterior is as cautious, a plain network is not",
        'cautious = {name: lean[name] / lean["bayesian"] for name in ("hmc", "plain")}',
        'cautious = {"hmc": lean["plain"], "plain": lean["hmc"]}\n'
        'cautious = {name: it / lean["bayesian"] for name, it in cautious.items()}',
    ),
    Mutation(
        "13",
        "Laplace has less density than HMC on the last layer",
        READ,
        swapped("laplace", "hmc_last_layer"),
    ),
    Mutation(
        "13",
        "a last layer by itself is a weak alarm, its exact posterior too",
        'fewer = {name: sets_where(name, "share") for name in last_layers}',
        'fewer = {name: sets_where("hmc", "share", name) for name in last_layers}',
    ),
    Mutation(
        "13",
        "of the same model, the exact posterior is ahead on one set only",
        'same_model = sets_where("bayesian_biases", "auroc")',
        'same_model = sets_where("bayesian", "auroc")',
    ),
    Mutation(
        "13",
        "HMC alone is more accurate than a plain network",
        'right = compare_with(results, "accuracy", "plain", shown)',
        'right = compare_with(results, "accuracy", "ensemble", shown)',
    ),
    Mutation(
        "13",
        "a unit in use adds less than a nat for each of its weights",
        'for_unit, num_weights = kl_at_end / of_widths["bayesian"], 64 + 10',
        "for_unit, num_weights = kl_at_end, 64 + 10",
    ),
    Mutation(
        "13",
        "a higher rate of dropout disagrees more and predicts worse",
        READ,
        swapped("dropout_low", "dropout_high"),
    ),
    Mutation(
        "13",
        "the trainings have arrived",
        "three_quarters = results.points.index(0.75)",
        "three_quarters = results.points.index(0.25)",
    ),
    Mutation(
        "14",
        "added in a custom loss, too, the KL counts twice",
        "return cross_entropy(labels, logits) + sum(twice_net.losses)",
        "return cross_entropy(labels, logits) + sum(twice_net.losses) / 10",
    ),
    Mutation(
        "14",
        "a division of the whole list weakens the L2 penalty",
        "per_layer = kl / num_examples + sum(others)",
        "per_layer = kl / num_examples + sum(others) / num_examples",
    ),
    Mutation(
        "14",
        "val_nll stops early and val_loss late",
        'choices.loc[f"lowest {it}"] for it in ("val_loss", "val_nll")',
        'choices.loc[f"lowest {it}"] for it in ("val_nll", "val_loss")',
    ),
    Mutation(
        "14",
        "averaged over draws the early stop differs by the gap that is told",
        'paired = log_probs["val_nll"] - log_probs["val_loss"]',
        'paired = log_probs["val_loss"] - log_probs["val_nll"]',
    ),
    Mutation(
        "14",
        "a sample weight multiplies the data term and not the KL",
        "loss - example_weight * unweighted,",
        "loss - unweighted,",
    ),
    Mutation(
        "19",
        "the trainer is well ahead of fit",
        'ratios = ratio_table(results, "book_trainer").loc[cost.index]',
        'ratios = ratio_table(results, "tfp_fit").loc[cost.index]',
    ),
    Mutation(
        "19",
        "NumPyro is close, blitz takes more than twice as long",
        'for it in ("numpyro_svi", "blitz_linear"))',
        'for it in ("blitz_linear", "numpyro_svi"))',
    ),
    Mutation(
        "19",
        "the first layer needs no gradient of its inputs",
        "products = 2 * (3 * sum(weights) - weights[0])",
        "products = 2 * 3 * sum(weights)",
    ),
    Mutation(
        "19",
        "the trainer is slower in no part of a step",
        'index=["TFP and Keras", "trainer"],',
        'index=["trainer", "TFP and Keras"],',
    ),
    Mutation(
        "19",
        "for equal noise local reparameterization needs less time than Flipout",
        "noise[name, part], noise[flipout, part], seed=SEED",
        "noise[flipout, part], noise[name, part], seed=SEED",
    ),
    Mutation(
        "19",
        "draws that are computed together take less time than calls",
        'ours = passes.filter(like="the book", axis="index")',
        'ours = passes.filter(like="calls of", axis="index")',
    ),
    Mutation(
        "03",
        "the entry by hand is half of the squares minus the logarithm",
        "float(np.sum(mean**2 / 2 + stddev**2 / 2 - np.log(stddev) - 1 / 2))",
        "float(np.sum(mean**2 / 2 - np.log(stddev) - 1 / 2))",
    ),
    Mutation(
        "03",
        "the KL of a layer grows with its weights, by the nats of one weight",
        "nats_per_weight = 0.1**2 / 2 + scale_part - 1 / 2",
        "nats_per_weight = 0.1 / 2 + scale_part - 1 / 2",
    ),
    Mutation(
        "03",
        "the centre of the images holds the nats, the border nearly none",
        "centre = nats_per_pixel[2:6, 2:6].mean()",
        "centre = nats_per_pixel[:, [1, 6]].mean()",
    ),
    Mutation(
        "03",
        "training takes the KL down to less than a fifth",
        "train_by_elbo(neural_net, train.images, train.labels, num_epochs=80, seed=SEED)",
        "train_by_elbo(neural_net, train.images, train.labels, num_epochs=20, seed=SEED)",
    ),
    Mutation(
        "07",
        "the targets of one example are summed",
        "return -tf.reduce_sum(rows, axis=1)",
        "return -tf.reduce_mean(rows, axis=1)",
    ),
    Mutation(
        "07",
        "a noise for each input covers both sides, one noise neither",
        'covered = pd.DataFrame(rows, columns=["likelihood", "quiet", "loud"])',
        'covered = pd.DataFrame(rows, columns=["likelihood", "quiet", "loud"]).replace(\n'
        '    {"one noise": "noise by input", "noise by input": "one noise"}\n'
        ")",
    ),
    Mutation(
        "07",
        "intervals of the mean leave out the noise",
        'of_means = np.mean(share_inside(of_new, new, of="mean"))',
        "of_means = np.mean(share_inside(of_new, new))",
    ),
    Mutation(
        "07",
        "with the mean over pixels the codes collapse",
        "of_mean, of_sum = results[1], results[64]",
        "of_sum, of_mean = results[1], results[64]",
    ),
    Mutation(
        "07",
        "the training of the regressions has come to rest",
        "num_epochs=num_epochs,",
        "num_epochs=num_epochs // 15,",
    ),
    Mutation(
        "17",
        "the layer in Keras 3 has the KL of TFP's",
        "kl = 0.5 * ops.square(mean) + 0.5 * ops.expm1(2.0 * log_stddev) - log_stddev",
        "kl = 0.5 * ops.square(mean) + 0.5 * ops.expm1(log_stddev) - log_stddev",
    ),
    Mutation(
        "17",
        "both libraries end at the same ELBO",
        "last = layer_class(10, kl_weight=1 / num_examples, seed=SEED)\n"
        "    return keras.Sequential([last])",
        "last = layer_class(10, kl_weight=1.2 / num_examples, seed=SEED)\n"
        "    return keras.Sequential([last])",
    ),
    Mutation(
        "17",
        "a thousand steps are close to the end",
        "STEPS, EPOCHS = 100, 10",
        "STEPS, EPOCHS = 100, 3",
    ),
    Mutation(
        "18",
        "losses that are read before the call have no gradient",
        "kl = sum(in_nats.losses)  # before the call\n"
        "    return likelihood_term(images, labels) + kl / num_examples",
        "nll = likelihood_term(images, labels)\n"
        "    return nll + 2 * sum(in_nats.losses) / num_examples",
    ),
    Mutation(
        "18",
        "each slope tells its weight",
        "limits = slopes.loc[1e-4]",
        "limits = slopes.loc[0.05]",
    ),
    Mutation(
        "18",
        "the KL that is added again counts twice",
        "return nll + sum(doubled.losses)",
        "return nll + sum(doubled.losses) / 2",
    ),
    Mutation(
        "08",
        "mean field has come to rest",
        "minimise(mean_field, column, bmi_nll, 1 / len(seen_bmi), steps=3000)",
        "minimise(mean_field, column, bmi_nll, 1 / len(seen_bmi), steps=600)",
    ),
    Mutation(
        "09",
        "local reparameterization has the least noise in the scales",
        'names = dict(zip(rest, ["Flipout", "local"], strict=True))',
        "ratios = {\n"
        "    (rest[1 - rest.index(name)], part, size): ratio\n"
        "    for (name, part, size), ratio in ratios.items()\n"
        "}\n"
        'names = dict(zip(rest, ["Flipout", "local"], strict=True))',
    ),
    Mutation(
        "15",
        "a network with ReLU is not the network at its means",
        'for name, net in {"linear": linear, "with ReLU": neural_net}.items():',
        'for name, net in {"linear": neural_net, "with ReLU": linear}.items():',
    ),
    Mutation(
        "15",
        "the KL at the start comes from small standard deviations",
        "gaussian_kl(np.zeros(k.size), np.full(k.size, 0.05)).sum() for k in kernels",
        "gaussian_kl(np.zeros(k.size), np.full(k.size, 0.5)).sum() for k in kernels",
    ),
    Mutation(
        "15",
        "with the optimizer saved, training goes on as without a break",
        "both = tf.train.Checkpoint(neural_net=net, optimizer=adam)",
        "both = tf.train.Checkpoint(neural_net=net)",
    ),
    Mutation(
        "16",
        "TFP's layers are layers of tf_keras and of nothing else",
        '    "tf_keras": tf_keras,\n    "keras": keras,',
        '    "tf_keras": keras,\n    "keras": tf_keras,',
    ),
    Mutation(
        "16",
        "what holds state must come from tf_keras",
        '"metric": lambda: fit_with(metrics=[accuracy]),',
        '"metric": lambda: fit_with(metrics=["accuracy"]),',
    ),
    Mutation(
        "16",
        "the floatx of tf_keras decides about the KL",
        'tf_keras.backend.set_floatx("float64")\n',
        'keras.backend.set_floatx("float64")\n',
    ),
    Mutation(
        "17",
        "a fixed seed of the noise makes the posterior worse",
        "noise = keras.random.normal(self.mean.shape, seed=3)  # the mistake",
        "noise = keras.random.normal(self.mean.shape, seed=self.noise)",
    ),
    Mutation(
        "20",
        "the log holds KL / N with the N of the training data",
        "+ 8, 1248, 5",
        "+ 8, 1560, 5",
    ),
    Mutation(
        "20",
        "the log scatters as one draw does",
        "one_draw = drawn_kl_stddev(np.zeros(num_weights), np.log(2))",
        "one_draw = drawn_kl_stddev(np.ones(num_weights), np.log(2))",
    ),
    Mutation(
        "20",
        "the untrained LeNet-5 has the expected KL",
        'start["KL/N"] = table["nats"].to_numpy() / 60_000',
        'start["KL/N"] = table["nats"].to_numpy() / 59_900',
    ),
    Mutation(
        "20",
        "the weight rises in a line",
        'undo_warm_up(report["step"], report["kl"], warm_up_steps)',
        'undo_warm_up(report["step"] ** 0.5, report["kl"], warm_up_steps)',
    ),
    Mutation(
        "20",
        "held-out nats take the label",
        "return np.log(probabilities[np.arange(len(labels)), labels]).mean()",
        "return np.log(probabilities[np.arange(len(labels)), labels - 1]).mean()",
    ),
    Mutation(
        "20",
        "the longer a training, the cheaper its pruning",
        'at_share("gaussian_400", epoch) for epoch',
        'at_share("straight_dope", min(epoch, 10)) for epoch',
    ),
    Mutation(
        "20",
        "a training until flat has more errors than an unfinished one",
        '"a higher rate that falls": ("converged", 40)',
        '"a higher rate that falls": ("gaussian_400", 40)',
    ),
    Mutation(
        "20",
        "within the training until flat, error and KL fall together",
        'way = results["converged"].points.groupby("epoch")[["error", "kl"]].mean()',
        'way = gaussian.points.groupby("epoch")[["error", "kl"]].mean()',
    ),
    Mutation(
        "20",
        "most published errors are below those of the page",
        'below = (published["value"] < rows_here["low"]).sum()',
        'below = (published["value"] > rows_here["high"]).sum()',
    ),
]


def summary() -> str:
    """How many of the mutations the pages notice, and which they do not."""
    survivors = [mutation for mutation in MUTATIONS if mutation.survives]
    lines = [
        f"{len(MUTATIONS) - len(survivors)} of {len(MUTATIONS)} mutations turn their page red."
    ]
    lines += [f"- chapter {it.chapter}, {it.claim}: {it.survives}" for it in survivors]
    return "\n".join(lines)


if __name__ == "__main__":
    print(summary())
