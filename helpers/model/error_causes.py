"""What the libraries say when a layer gets what it cannot take, with cause and cure.

One text often has several causes. They are told apart by the place where it was raised: the
argument that the layer was at work on (``raised_in`` names them). The first row that fits is taken,
so the particular rows stand before the general ones.
"""

from dataclasses import dataclass

FIVE = "`(dtype, shape, name, trainable, add_variable_fn)`"
THREE = "`(kernel_size, bias_size, dtype)`"
PRIOR = "`tfd.Independent(tfd.Normal(tf.zeros(shape), 1.0), len(shape))`"
DRAW = "`w = q.sample(); q.log_prob(w) - p.log_prob(w)`"
FUNCTIONS = ("kernel_posterior_fn", "kernel_prior_fn", "bias_posterior_fn", "bias_prior_fn")
DRAWS = ("the draw of the kernel", "the draw of the bias")
MAKERS = ("make_posterior_fn", "make_prior_fn")
CALLED = ("what make_posterior_fn returned", "what make_prior_fn returned")
KL = "the KL of DenseVariational"
LOG_PROB = "the log_prob of a distribution"
RETURNED = "what kernel_divergence_fn returned"


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One cause of one text.

    Attributes
    ----------
    text
        A regular expression that is searched in the message.
    raised_in
        Names of the places where this cause raises it; empty if it is told by the text alone.
    cause, cure
        Sentences; code stands between backticks.
    """

    text: str
    raised_in: tuple[str, ...] = ()
    cause: str
    cure: str


NO_THIRD = Cause(
    text=r"'NoneType' object has no attribute|unsupported operand type\(s\) for .*'NoneType'"
    r"|Attempt to convert a value \(None\)|None values not supported",
    raised_in=("kernel_divergence_fn",),
    cause="The third argument of a divergence function is `None` in the Flipout and local "
    "reparameterization layers, because these layers never draw the weights themselves. "
    "Or the function computes with another `None`.",
    cure=f"Draw the weights in the function, {DRAW}, and average over draws.",
)
WITHOUT_LOG_PROB = Cause(
    text=r"has no attribute '_(log_)?prob'",
    cause="TFP wraps the distribution that a layer puts out. The wrapper asks it for its "
    "`_log_prob` (or `_prob`), which `Uniform`, `Triangular` and a few others do not have.",
    cure="`tfd.Independent(tfd.Uniform(low, high), 0)` in the layer, and `log_prob` in the loss.",
)
DIVERGENCES = (
    NO_THIRD,
    WITHOUT_LOG_PROB,
    Cause(
        text=r"Attempt to convert a value|Cannot convert",
        raised_in=(RETURNED,),
        cause="The divergence function returned nothing, or something that is no number. "
        "Perhaps its `return` is missing.",
        cure="`lambda q, p, _: tfd.kl_divergence(q, p) / num_examples`.",
    ),
    Cause(
        text=r"takes \d+ positional arguments? but \d+ (was|were) given|Too many arguments were",
        raised_in=("kernel_divergence_fn",),
        cause="The layer calls its divergence function with three arguments: the posterior, the "
        "prior, and the drawn weights or `None`. A loss or a regulariser of Keras takes "
        "other arguments.",
        cure="`kernel_divergence_fn=lambda q, p, _: tfd.kl_divergence(q, p) / num_examples`.",
    ),
    Cause(
        text=r"missing \d+ required positional argument",
        raised_in=("kernel_divergence_fn",),
        cause="The divergence function takes more than the three arguments that the layer "
        "passes: the posterior, the prior, and the drawn weights or `None`.",
        cure="Pass the other values inside a function of three arguments: `lambda q, p, _: "
        "my_divergence(q, p, num_examples)`.",
    ),
    Cause(
        text=r"'(str|int|float|Tensor|\w+)' object is not callable",
        raised_in=("kernel_divergence_fn",),
        cause="`kernel_divergence_fn` (or `bias_divergence_fn`) is a number or a name. The "
        "layer calls it, so it must be a function.",
        cure="`kernel_divergence_fn=lambda q, p, _: tfd.kl_divergence(q, p) / num_examples`.",
    ),
    Cause(
        text=r"The truth value of an array|truth value",
        raised_in=("kernel_divergence_fn",),
        cause="The divergence function is `tfd.kl_divergence` itself. The layer passes the "
        "drawn weights as the third argument, and `tfd.kl_divergence` takes its third "
        "argument for an option.",
        cure="`kernel_divergence_fn=lambda q, p, _: tfd.kl_divergence(q, p)`.",
    ),
    Cause(
        text=r"must have the same dtype, got tf\.float\d+ != tf\.u?int\d+",
        raised_in=("kernel_divergence_fn",),
        cause="In the divergence function the KL is divided by, or multiplied with, a tensor of "
        "whole numbers.",
        cure="A Python number: `float(num_examples)`.",
    ),
    Cause(
        text=r"object of type '\w+' has no len\(\)",
        raised_in=("kernel_divergence_fn",),
        cause="The divergence function passes a distribution to a function of tensors, such as "
        "a Keras loss.",
        cure="`lambda q, p, _: tfd.kl_divergence(q, p) / num_examples`.",
    ),
    Cause(
        text=r"'SymbolicTensor' object has no attribute 'numpy'|float\(\) argument must be"
        r"|Cannot convert a symbolic (tf\.)?Tensor .* to a numpy array",
        raised_in=("kernel_divergence_fn",),
        cause="In `fit` and in a `tf.function` the divergence is a tensor of a graph, and has "
        "no value yet. Python and NumPy cannot make a number of it.",
        cure="Compute with TensorFlow only, without `float`, `.numpy()` and `np.`.",
    ),
    Cause(
        text=r"You are passing KerasTensor|'KerasTensor' object has no attribute '_id'",
        cause="The number that the KL is divided by is an input of the network, which is a "
        "placeholder of Keras. The losses of a layer cannot depend on a placeholder.",
        cure="Keep the number in a variable: `num_examples = tf.Variable(400.0)`, "
        "`kernel_divergence_fn=lambda q, p, _: tfd.kl_divergence(q, p) / num_examples`, and "
        "`num_examples.assign(...)` between two calls of `fit`.",
    ),
    Cause(
        text=r"Incompatible shapes|must be broadcastable",
        raised_in=("kernel_divergence_fn",),
        cause="Posterior and prior do not count events in the same way: one gives a log density "
        "for each draw, the other one for each draw and each weight. With one draw, or "
        "with as many draws as the layer has units, the two are broadcast without an "
        "error, and the KL may be hundreds of times too large, or too small.",
        cure=f"Make each of them one event: {PRIOR}, or `tfd.Sample` for the prior.",
    ),
    Cause(
        text=r"Input 0: \[\d+\] != input \d+: \[\]|AddN\[.* with input shapes: \[[?\d]+\], \[\]",
        cause='The compiled loss returns one number for each example (`reduction="none"`), and '
        "Keras adds them to the entries of `losses`, which are one number each.",
        cure="Leave `reduction` out: the loss is then the mean over the batch, beside which the KL "
        'weighs 1/N. `reduction="none"` is for a training loop of your own, which takes the mean '
        "itself.",
    ),
    Cause(
        text=r"does not support masking, but was passed an input_mask",
        cause="A layer of your own gets the mask of an `Embedding(mask_zero=True)` or of a "
        "`Masking` layer, and has not said that it hands the mask on.",
        cure="`self.supports_masking = True` in its `__init__`, if it treats each step by itself.",
    ),
    Cause(
        text=r"AddN|Dimension \d+ in both shapes must be equal",
        cause="The divergence function returned one number for each weight. Keras accepts them "
        "in `losses`, and fails when it adds the entries.",
        cure="Sum over the weights: `tf.reduce_sum(...)`, or let `tfd.Independent` do it.",
    ),
)
CLOSED_FORMS = (
    Cause(
        text=r"distribution_b type (function|EagerTensor|SymbolicTensor|Tensor|float|int|str"
        r"|\w*Layer|Sequential)",
        cause="The prior function returned no distribution, but a tensor, a layer or (if a pair "
        "of parentheses is missing) another function.",
        cure=f"A function of {FIVE} that returns {PRIOR}. TFP's own is "
        "`tfp.layers.default_multivariate_normal_fn`, without parentheses.",
    ),
    Cause(
        text=r"distribution_b type Deterministic",
        cause="The prior is a point (`is_singular=True`). No KL to a point is finite.",
        cure="A prior with a standard deviation above 0; or `kernel_prior_fn=None` if you want "
        "no prior.",
    ),
    Cause(
        text=r"type Independent and distribution_b type Normal|type Normal and distribution_b type "
        r"Independent",
        cause="Both are Gaussian, but posterior and prior count events differently. One is a "
        "single event of all weights (`Independent`), and the other is many events of one weight "
        "each.",
        cure="`tfd.Independent(tfd.Normal(...), reinterpreted_batch_ndims=len(shape))`.",
    ),
    Cause(
        text=r"type (Independent|MultivariateNormal\w+) and distribution_b type "
        r"(Independent|MultivariateNormal\w+|Normal)",
        cause="Both are Gaussian, but written in two ways, for which TFP has no closed form.",
        cure="Write both in the same way: `tfd.Independent(tfd.Normal(...), 1)`. Next to a "
        "`MultivariateNormalTriL` layer, take `tfd.MultivariateNormalDiag` for the prior.",
    ),
    Cause(
        text=r"No KL\(distribution_a \|\| distribution_b\) registered for",
        cause="TFP knows no closed form of the KL for this pair. If the message names "
        "`Independent` and another type, prior and posterior may be wrapped differently.",
        cure=f"Estimate the KL from draws: a divergence function with {DRAW}, averaged over "
        "draws. Posterior and prior must be one event each.",
    ),
)
FORMS = (
    Cause(
        text=r"missing 4 required positional arguments: '(dtype|shape)'",
        raised_in=("make_posterior_fn", "make_prior_fn", *CALLED),
        cause="The function that makes functions was passed without its parentheses. It is also "
        "made for `DenseFlipout` and its relatives, and not for `DenseVariational`.",
        cure=f"A function of {THREE} that returns a `tf_keras.Sequential` of a `VariableLayer` and "
        "a `DistributionLambda` (the posterior), or a function of the inputs (the prior).",
    ),
    Cause(
        text=r"default_multivariate_normal_fn\(\) missing \d required positional arguments: "
        r"'dtype'",
        cause="The layer calls this function by itself, with its five arguments. Here it was "
        "called with something else, such as `trainable=True`. The prior that it makes "
        "has nothing to train.",
        cure="`kernel_prior_fn=tfp.layers.default_multivariate_normal_fn`, without parentheses. "
        f"For a prior that learns, write a function of {FIVE} that calls `add_variable_fn`.",
    ),
    Cause(
        text=r"default_(multivariate|mean_field)_normal_fn\(\) got an unexpected keyword argument",
        cause="These two functions of TFP make a standard normal prior, and a Gaussian "
        "posterior whose start is set by initialisers. They take no mean and no scale.",
        cure=f"Write a prior of your own, a function of {FIVE} that returns "
        "`tfd.Independent(tfd.Normal(tf.zeros(shape), 2.0), len(shape))`. For the "
        "posterior pass `loc_initializer=` and `untransformed_scale_initializer=`.",
    ),
    Cause(
        text=r"missing 2 required positional arguments: 'trainable' and 'add_variable_fn'",
        cause="The function is made for `DenseFlipout` and its relatives. `DenseVariational` "
        f"calls it with {THREE}.",
        cure=f"A function of {THREE} that returns a `tf_keras.Sequential` of a `VariableLayer` and "
        "a `DistributionLambda` (the posterior), or a function of the inputs (the prior).",
    ),
    Cause(
        text=r"takes .*positional arguments? but \d+ (was|were) given",
        raised_in=FUNCTIONS,
        cause=f"The layer calls its posterior and prior functions with five arguments, {FIVE}. A "
        f"function of {THREE} is made for `DenseVariational`.",
        cure=f"`def prior(dtype, shape, name, trainable, add_variable_fn): return` {PRIOR}.",
    ),
    Cause(
        text=r"takes .*positional arguments? but \d+ (was|were) given",
        raised_in=MAKERS,
        cause=f"`DenseVariational` calls this function with three arguments, {THREE}.",
        cure="`def posterior(kernel_size, bias_size, dtype=None): ...`. The prior has the same "
        "three arguments.",
    ),
    Cause(
        text=r"takes 0 positional arguments but 1 was given",
        raised_in=CALLED,
        cause="The layer calls what the function returned with its inputs.",
        cure="`return lambda _: tfd.Independent(tfd.Normal(tf.zeros(size), 1.0), 1)`.",
    ),
    Cause(
        text=r"name for name_scope must be a string",
        raised_in=FUNCTIONS,
        cause="A class, such as `tfd.Normal`, was passed instead of a function. The layer calls "
        "it with shape and names, and the class takes them for parameters.",
        cure=f"A function of {FIVE} that returns {PRIOR}.",
    ),
    Cause(
        text=r"object is not callable",
        raised_in=FUNCTIONS,
        cause="The argument is a distribution, a name or `None`, and the layer calls it. "
        "(`None` is allowed for a prior or a bias. The posterior of the kernel cannot be "
        "missing.)",
        cure=f"A function of {FIVE} that returns {PRIOR}. Without a prior: "
        "`kernel_prior_fn=None`; without a bias: `bias_posterior_fn=None`.",
    ),
    Cause(
        text=r"object is not callable",
        raised_in=MAKERS,
        cause="`make_posterior_fn` and `make_prior_fn` must be functions. Here the result of a "
        "function, a name or `None` was passed.",
        cure=f"Pass the function of {THREE}, without calling it.",
    ),
    Cause(
        text=r"'NoneType' object is not callable|'(float|int|str)' object is not callable",
        raised_in=CALLED,
        cause="The function returned nothing, or a number. Perhaps its `return` is missing.",
        cure="The posterior function returns a `tf_keras.Sequential` of a `VariableLayer` and a "
        "`DistributionLambda`. The prior function returns a function of the inputs.",
    ),
    Cause(
        text=r"object is not callable|missing \d+ required positional argument",
        raised_in=CALLED,
        cause="The function must return something that the layer can call with its inputs. It "
        "returned the distribution or the tensor itself.",
        cure="For the prior: `return lambda _: tfd.Independent(tfd.Normal(tf.zeros(size), 1.0), "
        "1)`. For the posterior: a `tf_keras.Sequential` that ends with a "
        "`tfp.layers.DistributionLambda`.",
    ),
)
POSTERIORS = (
    Cause(
        text=r"'function' object has no attribute '(name|sample)'",
        raised_in=DRAWS,
        cause="`tfp.layers.default_mean_field_normal_fn` makes the posterior function that the "
        "layer needs. Its parentheses are missing.",
        cure="`kernel_posterior_fn=tfp.layers.default_mean_field_normal_fn()`.",
    ),
    Cause(
        text=r"'NoneType' object has no attribute '(name|sample)'",
        raised_in=DRAWS,
        cause="The posterior function returned nothing. Perhaps its `return` is missing.",
        cure="Return the distribution: `return tfd.Independent(tfd.Normal(loc, scale), "
        "len(shape))`.",
    ),
    Cause(
        text=r"object has no attribute '(name|sample)'|Tensor\.name is undefined when eager",
        raised_in=DRAWS,
        cause="The posterior function returned a tensor, a number or a layer, and not a "
        "distribution.",
        cure="`return tfd.Independent(tfd.Normal(loc, scale), len(shape))`, with `loc` and the "
        "scale from `add_variable_fn`. Or take TFP's own: "
        "`tfp.layers.default_mean_field_normal_fn()`.",
    ),
    Cause(
        text=r"requires `kernel_posterior_fn` produce an instance of",
        cause="Flipout and local reparameterization work only with a Gaussian posterior in the "
        "form `tfd.Independent(tfd.Normal(...), ...)`.",
        cure="Take `tfp.layers.DenseReparameterization` (or the convolution of that kind). It "
        "takes any posterior that can be reparameterized, and also a point.",
    ),
    Cause(
        text=r"object of type '\w+' has no len\(\)|Attempt to convert a value \(None\)"
        r"|object is not callable|has no attribute|missing \d+ required|takes \d+ positional",
        raised_in=DRAWS,
        cause="`kernel_posterior_tensor_fn` (or `bias_posterior_tensor_fn`) makes one tensor of "
        "weights from the posterior. Here it has another form, or returns no tensor. "
        "Flipout layers pass it a Gaussian around zero, and no `tfd.Independent`.",
        cure="Leave the argument out, or pass `lambda d: d.sample()`.",
    ),
    Cause(
        text=r"Biases must be 1D: \[\d+, ?\d+|filter must be \d-dimensional: \[(\d+, ?){4,}\d+",
        cause="Several draws were made at once, as by `convert_to_tensor_fn=lambda d: "
        "d.sample(25)` or `kernel_posterior_tensor_fn`. A layer uses one draw of its "
        "weights in each call.",
        cure="Take one draw in the layer, and call the network several times: "
        "`tf.reduce_mean(tf.stack([network(inputs) for _ in range(25)]), axis=0)`, or a "
        "mean of 25 losses.",
    ),
    Cause(
        text=r"Biases must be 1D|filter must be \d-dimensional|ndims must be >= 2"
        r"|Must provide as many biases|Matrix size-incompatible|Incompatible shapes",
        raised_in=DRAWS,
        cause="The posterior has another shape than the weights.",
        cure="Use the whole `shape` that the layer passes to the function: "
        "`tfd.Independent(tfd.Normal(loc, scale), len(shape))` with `loc` of that shape. "
        "In a convolution with `data_format='channels_first'`, transpose the images and "
        "use `'channels_last'`: the bias and Flipout's signs work with this format only.",
    ),
)
SHAPES = (
    Cause(
        text=r"object is not iterable",
        raised_in=("input_shape",),
        cause="`input_shape` is a number. Keras needs a tuple.",
        cure="`input_shape=(4,)`, with the comma; or `input_dim=4`.",
    ),
    Cause(
        text=r"Computed output size would be negative",
        cause="The kernel, with its dilation, is larger than its input. The images are too "
        "small, or earlier layers have made them small.",
        cure="`padding='same'`, a smaller kernel, or less pooling before the layer.",
    ),
    Cause(
        text=r"non-floating point dtype|Expected floating point type, got",
        cause="The layer was told to compute in whole numbers.",
        cure="`dtype='float32'`.",
    ),
)
VECTORS = (
    Cause(
        text=r"object has no attribute 'log_prob'",
        raised_in=(KL,),
        cause="The posterior or the prior of a `DenseVariational` layer ends with a tensor: it "
        "is a bare `VariableLayer`, or a `tf_keras.Sequential` without a distribution at "
        "its end.",
        cure="End it with a distribution layer: `tf_keras.Sequential([tfp.layers.VariableLayer("
        "tfp.layers.MultivariateNormalTriL.params_size(n)), "
        "tfp.layers.MultivariateNormalTriL(n)])` with `n = kernel_size + bias_size`; or "
        "`tfp.layers.DistributionLambda`.",
    ),
    Cause(
        text=r"object of type '\w+' has no len\(\)",
        raised_in=(KL, "the draw of DenseVariational"),
        cause="The posterior function returned a plain distribution. The layer needs an object "
        "that is also a tensor.",
        cure="End the posterior with a `tfp.layers.DistributionLambda`.",
    ),
    Cause(
        text=r"Incompatible shapes|incompatible",
        raised_in=(KL, "the draw of DenseVariational"),
        cause="Posterior and prior have different sizes. Each must hold kernel and bias in one "
        "vector.",
        cure="Give both `n = kernel_size + bias_size` numbers. A `VariableLayer` in front of a "
        "distribution of `n` numbers has `params_size(n)` of them.",
    ),
    Cause(
        text=r"Event size of `scale` \(\d+\) could not be broadcast",
        cause="A `MultivariateNormalTriL` layer got too few parameters. It needs `n` for the "
        "mean and `n (n + 1) / 2` for the triangle.",
        cure="Put `tfp.layers.MultivariateNormalTriL.params_size(n)` parameters in front of it.",
    ),
    Cause(
        text=r"was expected to be a (double|half) tensor but is a float tensor",
        raised_in=("the draw of DenseVariational",),
        cause="The layer computes in another precision than its posterior. The posterior "
        "function does not use the `dtype` that it is passed.",
        cure="Use the `dtype` in posterior and prior: `tfp.layers.VariableLayer(2 * n, "
        "dtype=dtype)` and `tf.zeros(n, dtype)`.",
    ),
    Cause(
        text=r"Cast string to float|unsupported type \(<class 'function'>\)",
        raised_in=(KL,),
        cause="`kl_weight` is a text or a function.",
        cure="A number, `kl_weight=1 / num_examples`; or a `tf.Variable`, if the weight changes "
        "during training.",
    ),
)
WHOLE_NUMBERS = r"Tensor conversion requested dtype float\d+ for Tensor with dtype (u?int\d+|bool)"
WHOLE_TARGETS = (
    "The distribution computes in floating point, and got whole numbers: as targets, or as inputs "
    "of a distribution layer."
)
PRECISION = (
    Cause(
        text=r"dtype float32 for Tensor with dtype b?float16",
        cause="Mixed precision: the inputs are in half precision, and the drawn weights stay in "
        "single precision. TFP's layers do not work in mixed precision.",
        cure="`dtype='float32'` for the layers of TFP.",
    ),
    Cause(
        text=r"not inexact",
        cause="TFP's posterior adds the smallest step of the number format to the scale. NumPy "
        "does not know this step for bfloat16.",
        cure="`dtype='float32'` for the layers of TFP.",
    ),
    Cause(
        text=WHOLE_NUMBERS,
        raised_in=(LOG_PROB,),
        cause=WHOLE_TARGETS,
        cure="`targets.astype('float32')`.",
    ),
    Cause(
        text=WHOLE_NUMBERS,
        cause="The inputs are whole numbers, such as images from a file. These layers do not "
        "convert whole numbers.",
        cure="`inputs.astype('float32')`, or `tf.cast(images, tf.float32) / 255`.",
    ),
    Cause(
        text=r"was expected to be a \w+ tensor but is a double tensor"
        r"|must have the same dtype, got tf\.float32 != tf\.float64"
        r"|Found incompatible dtypes, <class 'numpy.float32'> and <class 'numpy.float64'>"
        r"|was expected to be a float tensor but is a double",
        cause="NumPy computes in double precision (`np.zeros`, `np.sqrt`, `array.std()`). The "
        "layers and their outputs are in single precision.",
        cure="A Python number, `float(np.sqrt(0.5))`, or `tf.zeros(shape, dtype)` and "
        "`tf.constant(..., tf.float32)`.",
    ),
    Cause(
        text=r"must have the same dtype, got tf\.\w+ != tf\.float\d+"
        r"|Cannot convert [-\d.e]+ to EagerTensor of dtype u?int",
        cause=WHOLE_TARGETS,
        cure="`targets.astype('float32')`.",
    ),
)
INPUTS = (
    Cause(
        text=r"A KerasTensor cannot be used as input to a TensorFlow function",
        cause="An input of Keras 3, from `tf.keras.Input` or `keras.Input`, was passed to a "
        "layer of TFP, which belongs to Keras 2.",
        cure="`import tf_keras`, and write `tf_keras.Input` and `tf_keras.Model`.",
    ),
    Cause(
        text=r"'tuple' object has no attribute 'rank'",
        cause="The layer asks a shape for its rank. The shape is a plain tuple, which has no "
        "rank. Either the input is a tensor of Keras 3 (`tf.keras.Input`, `keras.Input`), "
        "or a frame of pandas or a sparse matrix of SciPy was passed to the layer itself.",
        cure="`tf_keras.Input`, then `tf_keras.Model`. For a frame: "
        "`frame.to_numpy('float32')`. For a sparse matrix: `matrix.toarray()`.",
    ),
    Cause(
        text=r"expects \d+ input\(s\), but it received \d+ input tensors",
        cause="Keras takes a list or a tuple for several inputs, one for each item.",
        cure="One array: `np.array(inputs, 'float32')`. For several inputs build a model with "
        "several `tf_keras.Input`, and join them by `tf_keras.layers.Concatenate`.",
    ),
    Cause(
        text=r"Failed to convert '\{.*TensorShape",
        cause="A layer was called with a dict. Only a model with named inputs can take a dict.",
        cure="Name the inputs, `a = tf_keras.Input((3,), name='a')`, and join them by "
        "`tf_keras.layers.Concatenate` before the first layer of TFP.",
    ),
    Cause(
        text=r"Inputs to a layer should be tensors\. Got",
        cause="A layer was called with something that is no tensor: `None`, a data set or a "
        "distribution.",
        cure="Call it with one batch: `network(next(iter(dataset))[0])`. Pass a whole data set "
        "to `fit` and `predict`.",
    ),
    Cause(
        text=r"is incompatible with the layer: expected (min_)?ndim=\d",
        cause="An axis is missing, or there is one too many. The first axis counts the "
        "examples. A convolution also needs the channels, as the last axis.",
        cure="One example: `inputs[:1]`, not `inputs[0]`. Grey images: `images[..., np.newaxis]`. "
        "Images in front of a dense layer: `tf_keras.layers.Flatten()`.",
    ),
    Cause(
        text=r"Failed to convert a NumPy array to a Tensor \(Unsupported object type",
        cause="The array holds Python objects and no numbers. A frame with columns of several "
        "types gives such an array.",
        cure="`frame.to_numpy('float32')`. Turn columns of words into numbers first.",
    ),
    Cause(
        text=r"requested dtype float\d+ for Tensor with dtype (string|complex\d+)"
        r"|Cast string to float is not supported",
        cause="The inputs are words or complex numbers. These layers compute with real numbers.",
        cure="`tf_keras.layers.StringLookup(output_mode='one_hot')` turns words into numbers. "
        "Pass a complex number as two columns, its real and its imaginary part.",
    ),
    Cause(
        text=r"Attempt to convert a value \(SparseTensor|Failed to convert elements of SparseTensor"
        r"|'SparseTensor' object|SparseTensor",
        cause="The inputs are sparse. Keras' own `Dense` takes sparse inputs. TFP's layers do not.",
        cure="`tf.sparse.to_dense(inputs)`; for a matrix of SciPy, `matrix.toarray()`; in a "
        "network, `tf_keras.layers.Lambda(tf.sparse.to_dense)` as the first layer. Convert "
        "large inputs batch by batch: `dataset.map(lambda x, y: (tf.sparse.to_dense(x), "
        "y))`.",
    ),
    Cause(
        text=r"The last dimension of the inputs to `\w+` should be defined\. Found `None`"
        r"|The channel dimension of the inputs should be defined\. Found `None`",
        cause="The layer makes its weights when it learns the number of its inputs. Here this "
        "number is `None`. It comes from `tf_keras.Input((None,))`, a ragged tensor, a "
        "look-up layer, or a `Reshape` or a data set whose last axis TensorFlow does not "
        "know.",
        cure="Give the number: `tf_keras.Input((num_features,))`, `tf.ensure_shape(x, (None, "
        "num_features))`, `ragged.to_tensor()`.",
    ),
    Cause(
        text=r"The innermost dimension of .*input_shape.* must be defined",
        cause="The number of inputs of the layer is `None`.",
        cure="`tf_keras.Input((num_features,))`.",
    ),
)
OUTPUTS = (
    Cause(
        text=r"object has no attribute '(reparameterization_type|dtype)'"
        r"|_parameter_control_dependencies",
        raised_in=("make_distribution_fn",),
        cause="The function of a `DistributionLambda` must return a distribution. It returned a "
        "tensor, a tuple, a class, a layer or nothing.",
        cure="`lambda t: tfd.Normal(t[..., :1], 1.0)`. `tfp.layers.IndependentNormal` and its "
        "relatives are layers themselves: use them in place of the `DistributionLambda`.",
    ),
    Cause(
        text=r"object is not callable|takes 0 positional arguments but 1 was given"
        r"|missing \d+ required positional argument|takes .* positional arguments but",
        raised_in=("make_distribution_fn",),
        cause="A `DistributionLambda` calls its function with one tensor, the outputs of the "
        "layer before. A class such as `tfd.Normal` needs two arguments, and a "
        "distribution cannot be called.",
        cure="`tfp.layers.DistributionLambda(lambda t: tfd.Normal(t[..., :1], 1e-3 + "
        "tf.nn.softplus(t[..., 1:])))`.",
    ),
    Cause(
        text=r"Incorrect padding|Invalid base64|'str' object is not callable",
        raised_in=("make_distribution_fn",),
        cause="A `DistributionLambda` got a text instead of a function, and tries to read the "
        "text as the code of a function.",
        cure="`tfp.layers.DistributionLambda(lambda t: tfd.Normal(t, 1.0))`.",
    ),
    Cause(
        text=r"got an unexpected keyword argument|Must pass probs or logits, but not both",
        raised_in=("make_distribution_fn",),
        cause="The distribution inside the `DistributionLambda` has no such parameter, or got "
        "two parameters that mean the same.",
        cure="`help(tfd.Normal)` lists the parameters: a `Normal` has `loc` and `scale`, a "
        "`MultivariateNormalDiag` `loc` and `scale_diag`, a `Categorical` `logits` or "
        "`probs`.",
    ),
    Cause(
        text=r"must have compatible shapes|reinterpreted_batch_ndims\(\d+\) cannot exceed",
        cause="The parameters of the distribution do not fit each other. Or more axes are to "
        "become one event than there are.",
        cure="Split the outputs evenly, `loc, raw = tf.split(t, 2, axis=-1)`, and give "
        "`tfd.Independent` at most the axes after the axis of the examples.",
    ),
    Cause(
        text=r"Input to reshape is a tensor with|Number of ways to split should evenly divide"
        r"|does not correspond to a triangular matrix",
        cause="The layer before a distribution layer has another number of units than the "
        "distribution has parameters.",
        cure="`params_size` counts the parameters: put "
        "`tfp.layers.DenseFlipout(tfp.layers.IndependentNormal.params_size(2))` in front "
        "of `tfp.layers.IndependentNormal(2)`.",
    ),
    Cause(
        text=r"Failed to convert object of type .*_TensorCoercible",
        cause="`convert_to_tensor_fn=None`: Keras cannot make a tensor from the output of this "
        "layer.",
        cure="Leave the argument out (then the tensor is a draw), or choose the number that you "
        "want: `convert_to_tensor_fn=tfd.Distribution.mean`.",
    ),
    Cause(
        text=r"takes \d+ positional arguments? but|missing \d+ required|has no attribute"
        r"|Attempt to convert a value \(None\)|object is not callable",
        raised_in=("convert_to_tensor_fn",),
        cause="`convert_to_tensor_fn` makes a tensor from the distribution. The layer calls it "
        "with the distribution as its only argument.",
        cure="`convert_to_tensor_fn=tfd.Distribution.mean`, or `lambda d: d.mean()`.",
    ),
    Cause(
        text=r"Attempt to convert a value \((None|b'.*')\)|expected to be a int32 tensor"
        r"|valid indices, got|requested dtype int32 for Tensor with dtype string",
        raised_in=("the parameters of a distribution layer",),
        cause="`event_shape`, `event_size` or `num_components` is no whole number: it is "
        "`None`, a text or a fraction, or a tuple where a number is needed.",
        cure="`tfp.layers.IndependentNormal(1)`. Only `event_shape` takes a tuple, such as `(2, "
        "3)`, for an event with several axes.",
    ),
    Cause(
        text=r"object has no attribute 'log_prob'",
        raised_in=("the KL of a distribution layer",),
        cause="A `KLDivergenceRegularizer` or `KLDivergenceAddLoss` was given to a layer whose "
        "output is a tensor. Both are made for distribution layers.",
        cure="`tfp.layers.IndependentNormal(2, "
        "activity_regularizer=tfp.layers.KLDivergenceRegularizer(prior))`. The prior must "
        "be a distribution, and no function.",
    ),
    Cause(
        text=r"'UserRegisteredTypeKerasTensor' object has no attribute",
        cause="While a functional model is built, a distribution layer returns a placeholder. "
        "The placeholder has no mean, no sample and no log density.",
        cure="Call the model on data, and ask the result: `model(inputs).mean()`. Or ask in a "
        "layer: `tf_keras.layers.Lambda(lambda d: d.mean())(distribution)`.",
    ),
    Cause(
        text=r"Received a label value of -?\d+ which is outside the valid range"
        r"|labels\.shape=\((\d+),\) and logits\.shape=\(1, \1\)",
        cause="A label is not below the number of outputs. Class numbers begin with 0. So one "
        "output knows only the class 0, and labels from 1 to 10 need eleven outputs.",
        cure="For yes or no, keep the one output and compile with "
        "`tf_keras.losses.BinaryCrossentropy(from_logits=True)`. For classes, give the "
        "last layer one unit for each class, and let the labels begin with 0: `labels - "
        "labels.min()`.",
    ),
    Cause(
        text=r"_(mean|stddev|variance)\(\) got an unexpected keyword argument '(axis|out|dtype)'",
        cause="A function of NumPy got a distribution. It calls the distribution's method of "
        "the same name with NumPy's options.",
        cure="Ask the distribution, `model(inputs).mean()`, and use NumPy on the result.",
    ),
    Cause(
        text=r"'(Independent|Normal|\w*Categorical|MultivariateNormal\w+|\w*Mixture\w*|"
        r"_TensorCoercible)' object has no attribute 'numpy'",
        cause="A call of the network returns a distribution, and no tensor.",
        cure="`model(inputs).mean().numpy()`. For one draw: `tf.convert_to_tensor(model(inputs))`.",
    ),
    Cause(
        text=r"'numpy.ndarray' object has no attribute '(mean|stddev|log_prob|sample|mode)'",
        cause="`predict` returns an array, which is one draw from the distribution, and not the "
        "distribution.",
        cure="`model(inputs).stddev()`: a call returns the distribution.",
    ),
    Cause(
        text=r"object has no attribute 'log_prob'",
        cause="The network returns a tensor, such as logits, and no distribution. Or the "
        "function is used as a metric: Keras passes the distribution to a loss, and to a "
        "metric it passes a tensor that was made from the distribution.",
        cure="`tfd.Categorical(logits=network(inputs)).log_prob(labels)`, or a "
        "`tfp.layers.DistributionLambda` as the last layer. Do not use such a function as "
        "a metric. Log the two terms by a callback.",
    ),
)
ARGUMENTS = (
    Cause(
        text=r"Keyword argument not understood:', '(kernel|bias)_(initializer|regularizer"
        r"|constraint)'",
        cause="Keras' ordinary layers have this argument. A Bayesian layer has no kernel to "
        "initialise or to penalise: its posterior has a mean and a scale, and the KL is "
        "the penalty.",
        cure="`kernel_posterior_fn=tfp.layers.default_mean_field_normal_fn(loc_initializer="
        "tf_keras.initializers.HeNormal(seed=1))`. The same function takes "
        "`loc_regularizer` and `loc_constraint`. In `DenseVariational` pass the "
        "`initializer` to the `VariableLayer`. Leave weight decay out: the prior replaces "
        "it.",
    ),
    Cause(
        text=r"Keyword argument not understood:', 'use_bias'",
        cause="Keras' ordinary layers and `DenseVariational` have this argument. The other "
        "layers of TFP do not.",
        cure="`bias_posterior_fn=None` removes the bias.",
    ),
    Cause(
        text=r"Keyword argument not understood:', '(groups|output_padding|depth_multiplier)'",
        cause="Keras' ordinary convolutions have this argument. TFP's convolutions have no "
        "groups, and there are no depthwise, separable or transposed ones.",
        cure="Several layers on slices of the channels, `tf.split(x, groups, axis=-1)`. Instead "
        "of a transposed convolution, take `tf_keras.layers.UpSampling2D` and an ordinary "
        "convolution of TFP.",
    ),
    Cause(
        text=r"Keyword argument not understood:', '(kl_weight|kl_use_exact|make_\w+)'",
        cause="This is an argument of `DenseVariational`, and the layer belongs to the other "
        "family.",
        cure="`kernel_divergence_fn=lambda q, p, _: tfd.kl_divergence(q, p) / num_examples`.",
    ),
    Cause(
        text=r"Keyword argument not understood:', '((kernel|bias)_(posterior|prior|divergence)\w*"
        r"|seed)'",
        cause="This is an argument of `DenseFlipout` and its relatives, and the layer does not "
        "have it. (Only Flipout layers have `seed`.)",
        cure="`DenseVariational` takes `make_posterior_fn`, `make_prior_fn` and `kl_weight`.",
    ),
    Cause(
        text=r"Keyword argument not understood:",
        cause="The layer has no argument of this name.",
        cure="`help(type(layer))` lists its arguments. Every layer also takes `name`, `dtype`, "
        "`trainable` and `input_shape`.",
    ),
    Cause(
        text=r"The `padding` argument must be one of .*causal",
        cause="TFP's convolutions have no causal padding.",
        cure="Pad the start, then convolve: `tf_keras.layers.ZeroPadding1D((dilation * (size - "
        "1), 0))`, and the layer with `padding='valid'`.",
    ),
    Cause(
        text=r"The `padding` argument must be one of|The `data_format` argument must be one of",
        cause="The layer knows only the values that the message lists.",
        cure="`padding='same'` or `'valid'`; `data_format='channels_last'`.",
    ),
    Cause(
        text=r"object has no attribute 'lower'",
        cause="`padding` or `data_format` is `None` or a number.",
        cure="`padding='same'` or `'valid'`. Leave `data_format` out.",
    ),
    Cause(
        text=r"The truth value of an array",
        raised_in=("activation",),
        cause="The activation is a class. The class takes the outputs of the layer for an "
        "option of its own.",
        cure="A name, `'relu'`; a function, `tf.nn.relu`; or an instance, "
        "`tf_keras.layers.ReLU()`.",
    ),
    Cause(
        text=r"object is not callable",
        raised_in=("activity_regularizer",),
        cause="`activity_regularizer` is a name that Keras does not know.",
        cure="`tf_keras.regularizers.L2(1e-4)`. A regulariser of activities is no KL, and has "
        "an entry of its own in `losses`.",
    ),
    Cause(
        text=r"is not a valid regularization penalty number",
        cause="The regulariser is a class. The class takes the outputs of the layer for its "
        "factor.",
        cure="An instance: `tf_keras.regularizers.L2(1e-4)`. A regulariser of activities is no "
        "KL, and has an entry of its own in `losses`.",
    ),
    Cause(
        text=r"Dimension value must be integer|Can't convert Python sequence with mixed types"
        r"|Dimension -?\d+ must be >= 0|int\(\) argument must be"
        r"|filter must not have zero elements",
        cause="The number of units, of filters, or the size of the kernel is not a whole number "
        "above 0.",
        cure="`tfp.layers.DenseFlipout(16)`. If the number was read from a text: `int(units)`.",
    ),
    Cause(
        text=r"Layer input_spec must be an instance of InputSpec",
        cause="`SpectralNormalization` and other wrappers set the `input_spec` of a layer. A "
        "layer of TFP checks `input_spec` against a class of its own, and refuses. The "
        "wrapper could not work either, because there is no `kernel` to normalise, only a "
        "distribution of kernels.",
        cure="Leave the wrapper out. To bound the slope of the layer, put a constraint on the "
        "means: `default_mean_field_normal_fn(loc_constraint=...)`.",
    ),
    Cause(
        text=r"The RNN cell should have a `state_size` attribute|'go_backwards'",
        cause="A wrapper for recurrent layers got a dense layer. `tfp.layers` has no recurrent "
        "layers.",
        cure="Leave the wrapper out: a dense layer takes a tensor with a time axis as it is. "
        "For an LSTM, draw its weights from a posterior of your own.",
    ),
    Cause(
        text=r"module 'tensorflow_probability\.python\.layers' has no attribute",
        cause="There is no layer of this name. `tfp.layers` has `Dense…` and `Convolution1D…`, "
        "`2D…`, `3D…`, each with `Flipout` or `Reparameterization` at the end, and also "
        "`DenseLocalReparameterization` and `DenseVariational`. It has no recurrent, "
        "embedding, transposed or depthwise layer.",
        cure="`tfp.layers.Convolution2DFlipout`, not `Conv2DFlipout`. For a layer that is "
        "missing, draw the weights from a posterior of your own, and pass its KL to "
        "`add_loss`.",
    ),
    Cause(
        text=r"with a weight list of length \d+, but the layer was expecting \d+ weights",
        cause="A Bayesian layer has three variables where an ordinary one has two: means and "
        "untransformed scales of the kernel, and the bias.",
        cure="`loc, rho, bias = layer.get_weights()`, then `layer.set_weights([kernel, rho, "
        "bias])` with the kernel and the bias of the ordinary layer.",
    ),
    Cause(
        text=r"Received: layer=<class ",
        cause="The list of layers holds a class, and no instance.",
        cure="An instance: `tfp.layers.DenseFlipout(3)`.",
    ),
    Cause(
        text=r"Expected a symbolic Tensors or a callable for the loss value",
        cause="`model.add_loss(sum(model.losses))` was used on a model that has been called. "
        "The list holds numbers, and Keras cannot use a number as a loss that it computes "
        "anew at each step.",
        cure="Delete the line: `fit` adds everything in `losses` by itself.",
    ),
    Cause(
        text=r"'DenseVariational' object has no attribute '(kernel|bias)\w*'",
        cause="`DenseVariational` has one posterior for kernel and bias together. It is a "
        "function of the inputs, under a private name.",
        cure="`posterior = layer._posterior(inputs)` is a distribution of one vector: the "
        "numbers of the kernel row by row, then the bias. Then `posterior.mean()` and "
        "`posterior.stddev()`.",
    ),
    Cause(
        text=r"'\w+' object has no attribute '(kernel|bias)_(posterior|prior)'",
        cause="The layer makes its distributions at its first call, and it was not called yet.",
        cure="Call the network first: `network(inputs[:1])`.",
    ),
    Cause(
        text=r"'(Dense|Conv)\w+' object has no attribute '(kernel|bias)'",
        cause="A Bayesian layer has no kernel. It has a distribution of kernels.",
        cure="`layer.kernel_posterior.mean()` and `.stddev()`. The bias is "
        "`layer.bias_posterior.mean()`.",
    ),
    Cause(
        text=r"'Independent' object has no attribute '(loc|scale)'",
        cause="The posterior is wrapped in `tfd.Independent`, which has no parameters of its own.",
        cure="`posterior.mean()` and `posterior.stddev()`; or `posterior.distribution.loc`.",
    ),
    Cause(
        text=r"Rightmost dimension of shape must equal `sum\(sizes\)`",
        cause="The sizes of a `BlockwiseInitializer` do not add up to the numbers of the "
        "`VariableLayer`.",
        cure="Two blocks for a mean and a scale of `n` numbers: sizes `[n, n]`, with "
        "`VariableLayer(2 * n)`.",
    ),
)
CAUSES = (
    *DIVERGENCES,
    *FORMS,
    *SHAPES,
    *VECTORS,
    *POSTERIORS,
    *OUTPUTS[:-1],
    *CLOSED_FORMS,
    *PRECISION,
    *INPUTS,
    *ARGUMENTS,
    OUTPUTS[-1],
)
