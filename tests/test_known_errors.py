"""Errors and their causes: what wrong calls of every layer raise is known, and blamed rightly."""

import re
import warnings
from typing import NamedTuple

import pytest
import tensorflow as tf
from wrong_calls import Call, wrong_calls

from helpers.model.error_causes import CAUSES, Cause
from helpers.model.known_errors import ARGUMENTS, PLACES, Explanation, Place, explain, place_of

# Texts that name the argument and say what it must be: nothing could be added.
SELF_EXPLAINING = {
    r"Unknown activation function": "names the function that Keras does not know",
    r"Could not interpret (activation function|regularizer|initializer) identifier": "the same",
    r"Expected `name` argument to be a string": "names the argument and its type",
    r"Cannot convert the argument `type_value`: .* to a TensorFlow DType": "names it",
    r"Argument `(kernel_size|strides|dilation_rate)` must be a tuple of": "names the argument",
    r"all values of `(strides|dilation_rate)` must be positive": "names the argument",
    r"Weights for model '.*' have not yet been created": "says when they are",
    r"Cannot convert 0 to EagerTensor of dtype string": "raised where the caller adds up, not in "
    "the layer; its KL is a text, which nobody writes",
}
# What the explanation must speak of when the argument at fault is this one.
BLAMED = {
    "units": "number of units",
    "filters": "number of units, of filters",
    "kernel_size": "size of the kernel|kernel, with its dilation",
    "dilation_rate": "dilation",
    "activation": "activation|no argument of this name",
    "activity_regularizer": "regulariser",
    "kernel_posterior_fn": "posterior|NumPy|two ways|closed form|both are Gaussian|class, such"
    "|kernel cannot be missing|argument of `DenseFlipout`",
    "bias_posterior_fn": "posterior|NumPy|two ways|closed form|class, such|or a bias",
    "kernel_prior_fn": "prior|NumPy|two ways|closed form|class, such|argument of `DenseFlipout`",
    "bias_prior_fn": "prior|NumPy|two ways|closed form|class, such",
    "kernel_posterior_tensor_fn": "kernel_posterior_tensor_fn",
    "bias_posterior_tensor_fn": "bias_posterior_tensor_fn|kernel_posterior_tensor_fn",
    "kernel_divergence_fn": "divergence|NumPy|the KL is divided|`tfd.kl_divergence` itself"
    "|number that the KL|argument of `DenseFlipout`",
    "make_posterior_fn": "posterior|function|`MultivariateNormalTriL`|Several draws",
    "make_prior_fn": "prior|function|NumPy",
    "kl_weight": "`kl_weight`|argument of `DenseVariational`",
    "dtype": "precision|bfloat16|whole numbers",
    "padding": "padding|values that the message",
    "data_format": "data_format|values that the message|shape than the weights",
    "use_bias": "ordinary layers|no argument",
    "groups": "groups",
    "input_shape": "input_shape",
    "event_shape": "event_shape|units",
    "event_size": "event_size|units|parameters",
    "num_components": "num_components|units",
    "make_distribution_fn": "DistributionLambda|parameters|NumPy|units",
    "convert_to_tensor_fn": "convert_to_tensor_fn",
}

# One worker for the file: its fixture, all wrong calls, is made once.
pytestmark = pytest.mark.xdist_group("known errors")


class Raised(NamedTuple):
    call: Call
    error: Exception
    explained: Explanation | None
    place: Place | None


@pytest.fixture(scope="module")
def raised() -> list[Raised]:
    """What all wrong calls raise."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in wrong_calls():
            try:
                call.make()
            except Exception as error:  # noqa: BLE001 (what is raised is what is asked)
                found.append(Raised(call, error, explain(error), place_of(error)))
    return found


def text_of(error: Exception) -> str:
    return " ".join(str(error).split()).partition(ARGUMENTS)[0]


def fits(row: Cause, known: Explanation | None) -> bool:
    """Whether a row is the one by which an error was explained."""
    return known is not None and (known.cause, known.cure) == (row.cause, row.cure)


def test_enough_is_raised(raised):
    layers = {it.call.layer for it in raised}
    assert len(raised) > 1000
    assert len(layers) > 15


def test_every_text_is_known_or_explains_itself(raised):
    unknown = {
        f"{it.call[:3]}: {text_of(it.error)[:160]}"
        for it in raised
        if it.explained is None
        and not any(re.search(text, text_of(it.error)) for text in SELF_EXPLAINING)
    }
    assert unknown == set()


def test_no_exception_is_made_for_nothing(raised):
    texts = [text_of(it.error) for it in raised]
    unused = [text for text in SELF_EXPLAINING if not any(re.search(text, it) for it in texts)]
    assert unused == []


def test_the_argument_at_fault_is_blamed(raised):
    wrong = {
        f"{it.call[:3]}: {it.explained.cause[:120]}"
        for it in raised
        if it.explained is not None
        and it.call.argument in BLAMED
        and not re.search(
            f"(?i){BLAMED[it.call.argument]}|{it.call.argument}", " ".join(it.explained)
        )
    }
    assert wrong == set()


@pytest.mark.parametrize("number", range(len(CAUSES)))
def test_every_cause_is_met(number, raised):
    row = CAUSES[number]
    assert any(fits(row, it.explained) for it in raised), f"nothing raises this: {row.text}"


def test_most_of_what_is_raised_has_a_cause_of_its_own(raised):
    """Not only the place, which says no more than what the argument must be."""
    known = [it for it in raised if it.explained is not None]
    by_place = [it for it in known if it.explained.cause.startswith("It was raised")]
    assert len(by_place) < 0.05 * len(known)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_every_place_is_met(place, raised):
    assert any(it.place == place for it in raised)


def test_an_error_of_the_readers_own_is_not_explained():
    def own() -> None:
        raise ValueError("my data are gone")

    with pytest.raises(ValueError, match="gone") as told:
        own()
    assert explain(told.value) is None
    assert explain(tf.errors.NotFoundError(None, None, "no such file")) is None


def test_one_text_has_causes_told_apart_by_their_place(raised):
    """`has no attribute 'log_prob'` is said of logits, of a bare posterior, of a penalty."""
    causes = {it.explained.cause for it in raised if "no attribute 'log_prob'" in text_of(it.error)}
    assert len(causes) >= 4
    callable_ = {it.explained.cause for it in raised if "is not callable" in text_of(it.error)}
    assert len(callable_) >= 5
