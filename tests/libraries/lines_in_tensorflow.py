"""The network in TensorFlow: its twenty lines, and a gradient tape."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

# fmt: off
LINES: dict[str, Callable[[Any], Any]] = {
    "emb":            lambda v: tf.gather(v.C, v.X),
    "embcat":         lambda v: tf.reshape(v.emb, (v.n, -1)),
    "hprebn":         lambda v: v.embcat @ v.W1 + v.b1,
    "bnmeani":        lambda v: tf.reduce_mean(v.hprebn, 0, keepdims=True),
    "bndiff":         lambda v: v.hprebn - v.bnmeani,
    "bndiff2":        lambda v: v.bndiff**2,
    "bnvar":          lambda v: tf.reduce_sum(v.bndiff2, 0, keepdims=True) / (v.n - 1),
    "bnvar_inv":      lambda v: (v.bnvar + v.eps) ** -0.5,
    "bnraw":          lambda v: v.bndiff * v.bnvar_inv,
    "hpreact":        lambda v: v.bngain * v.bnraw + v.bnbias,
    "h":              lambda v: tf.tanh(v.hpreact),
    "logits":         lambda v: v.h @ v.W2 + v.b2,
    "logit_maxes":    lambda v: tf.reduce_max(v.logits, 1, keepdims=True),
    "norm_logits":    lambda v: v.logits - v.logit_maxes,
    "counts":         lambda v: tf.exp(v.norm_logits),
    "counts_sum":     lambda v: tf.reduce_sum(v.counts, 1, keepdims=True),
    "counts_sum_inv": lambda v: v.counts_sum**-1,
    "probs":          lambda v: v.counts * v.counts_sum_inv,
    "logprobs":       lambda v: tf.math.log(v.probs),
    "loss":           lambda v: -tf.reduce_mean(tf.gather(v.logprobs, v.Y, batch_dims=1)),
}
# fmt: on


add_up = tf.reduce_sum  # its tensors have no method sum


def gradients(total: Callable[[dict[str, Any]], Any], leaves: dict[str, Any]) -> dict[str, Any]:
    """The gradients of ``total(leaves)``, a scalar, with respect to every leaf."""
    tensors = {name: tf.constant(array) for name, array in leaves.items()}
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        end = total(tensors)
    grads = tape.gradient(end, tensors)
    return {n: g if g is None else tf.convert_to_tensor(g).numpy() for n, g in grads.items()}
