from typing import Any

import keras
from keras import ops

from ..checks import check_axes, check_mask, check_ranks, refuse_call_arguments
from ..functional.masking import boolean_mask
from ..functional.step_loop import run_steps
from ..serialization import register
from ..types import Config, Shape, Tensor

# Below any score that matters, and small enough that float32 still tells scores apart beside it.
FORBIDDEN = -1e4


@register
class ConditionalRandomField(keras.layers.Layer):
    """A linear-chain conditional random field over the tags of a sequence, Lafferty et al. (2001).

    A path of tags scores the sum of what its start, its tags, its transitions and its end score;
    its probability is the softmax over all paths. The layer itself hands its scores on: a loss is
    made with `log_likelihood`, and `decode` returns the best path. All of it is in float32.

    Args:
        num_tags: K.
        allowed_transitions: boolean `(K, K)`, whether the tag of the column may follow that of the
            row; all may by default. Paths that may not be are left out of the softmax.
        allowed_starts: boolean `(K,)`, whether a path may start with the tag.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        scores: `(B, T, K)`, of each tag at each position.
        mask: boolean `(B, T)`; True = has a tag. A masked position, wherever it stands, might as
            well not be there. A fully masked sequence has one path, which is empty: its
            log-likelihood is zero.

    Returns:
        The scores, in float32.

    Example:
    >>> field = ConditionalRandomField(3)
    >>> scores = field(np.eye(3, dtype="float32")[None])
    >>> ops.convert_to_numpy(field.decode(scores)).tolist()
    [[0, 1, 2]]

    References:
        - [Lafferty, McCallum and Pereira, 2001](https://repository.upenn.edu/handle/20.500.14332/6188)
        - Over the scores of a network: [Lample et al., 2016](https://arxiv.org/abs/1603.01360)
    """

    def __init__(
        self,
        num_tags: int,
        allowed_transitions: Any = None,
        allowed_starts: Any = None,
        **kwargs: Any,
    ) -> None:
        if num_tags < 1:
            raise ValueError(f"`num_tags` must be at least 1. Received: num_tags={num_tags}")
        refuse_call_arguments(self, kwargs)
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True
        self.num_tags = num_tags
        self.allowed_transitions = _booleans(
            "allowed_transitions", allowed_transitions, (num_tags, num_tags)
        )
        self.allowed_starts = _booleans("allowed_starts", allowed_starts, (num_tags,))

    def build(self, scores_shape: Shape) -> None:
        self._check(scores_shape)
        options = {"initializer": "zeros", "dtype": "float32", "autocast": False}
        shape = (self.num_tags,)
        self.transitions = self.add_weight(shape=shape * 2, name="transitions", **options)
        self.starts = self.add_weight(shape=shape, name="starts", **options)
        self.ends = self.add_weight(shape=shape, name="ends", **options)
        self.built = True

    def call(self, scores: Tensor, mask: Tensor | None = None) -> Any:
        self._check(scores.shape)
        return ops.cast(scores, "float32")

    def log_likelihood(self, scores: Tensor, tags: Tensor, mask: Tensor | None = None) -> Any:
        """Logarithm of the probability of a path.

        Args:
            scores: `(B, T, K)`.
            tags: `(B, T)`, 0 to K - 1, anything where masked.
            mask: as for the call.

        Returns:
            `(B,)`, float32.
        """
        check_axes(self, "tags", tags.shape, batch=scores.shape[0], length=scores.shape[1])
        scores, mask = self._prepare(scores, mask)
        starts, transitions, ends = self._weights()
        # PyTorch refuses what is no tag.
        tags = ops.where(mask[..., 0] > 0, ops.cast(tags, "int32"), 0)
        chosen = ops.one_hot(tags, self.num_tags, dtype="float32")

        def step(inputs, states):
            scores, chosen, here = inputs
            total, gained, tag, begun = states
            # Forward algorithm: the sum over all paths to a tag, by those to the tag before.
            sums = ops.logsumexp(total[:, :, None] + transitions, axis=1)
            sums = scores + ops.where(begun > 0, sums, starts)
            gain = scores + ops.where(begun > 0, ops.matmul(tag, transitions), starts)
            gain = ops.sum(chosen * gain, axis=-1, keepdims=True)
            states = [
                ops.where(here > 0, sums, total),
                ops.where(here > 0, gained + gain, gained),
                ops.where(here > 0, chosen, tag),
                ops.maximum(begun, here),
            ]
            return [here], states

        none = ops.zeros_like(scores[:, 0])
        states = [none, none[:, :1], none, none[:, :1]]
        _, states = run_steps(step, [scores, chosen, mask], states)
        total, gained, tag, begun = states
        normalizer = ops.logsumexp(total + ends, axis=-1, keepdims=True)
        gained = gained + ops.sum(tag * ends, axis=-1, keepdims=True)
        return ops.where(begun > 0, gained - normalizer, 0.0)[:, 0]

    def decode(self, scores: Tensor, mask: Tensor | None = None) -> Any:
        """The most probable path, by the algorithm of Viterbi.

        Args:
            scores: `(B, T, K)`.
            mask: as for the call.

        Returns:
            `(B, T)`, int32; 0 where masked.
        """
        scores, mask = self._prepare(scores, mask)
        starts, transitions, ends = self._weights()
        stay = ops.arange(self.num_tags, dtype="float32")[None]

        def forward(inputs, states):
            scores, here = inputs
            best, begun = states
            paths = best[:, :, None] + transitions
            before = ops.cast(ops.argmax(paths, axis=1), "float32")
            arrived = scores + ops.where(begun > 0, ops.max(paths, axis=1), starts)
            # What goes back over a masked position keeps its tag.
            before = ops.where(here * begun > 0, before, stay)
            return [before], [ops.where(here > 0, arrived, best), ops.maximum(begun, here)]

        def backward(inputs, states):
            (tag,) = states
            before = ops.take_along_axis(inputs[0], ops.cast(tag, "int32"), axis=1)
            return [tag], [before]

        none = ops.zeros_like(scores[:, 0])
        (before,), (best, _) = run_steps(forward, [scores, mask], [none, none[:, :1]])
        last = ops.cast(ops.argmax(best + ends, axis=-1, keepdims=True), "float32")
        (tags,), _ = run_steps(backward, [ops.flip(before, axis=1)], [last])
        tags = ops.flip(tags, axis=1)
        return ops.cast(ops.where(mask > 0, tags, 0.0)[..., 0], "int32")

    def _prepare(self, scores, mask):
        """The scores and the mask `(B, T, 1)`, both in float32, zero where masked."""
        self._check(scores.shape)
        check_mask(self, "mask", mask, batch=scores.shape[0], length=scores.shape[1])
        scores = ops.cast(scores, "float32")
        if mask is None:
            return scores, ops.ones_like(scores[..., :1])
        mask = boolean_mask(mask)[..., None]
        return ops.where(mask, scores, 0.0), ops.cast(mask, "float32")

    def _weights(self):
        starts = ops.convert_to_tensor(self.starts)
        transitions = ops.convert_to_tensor(self.transitions)
        if self.allowed_starts is not None:
            starts = ops.where(ops.convert_to_tensor(self.allowed_starts), starts, FORBIDDEN)
        if self.allowed_transitions is not None:
            allowed = ops.convert_to_tensor(self.allowed_transitions)
            transitions = ops.where(allowed, transitions, FORBIDDEN)
        return starts, transitions, ops.convert_to_tensor(self.ends)

    def _check(self, shape):
        check_ranks(self, scores=shape)
        if shape[-1] != self.num_tags:
            raise ValueError(
                f"`scores` must have one for each of {self.num_tags} tags. "
                f"Received: scores of shape {tuple(shape)}"
            )

    def compute_output_shape(self, scores_shape: Shape) -> tuple:
        return scores_shape

    def compute_output_spec(self, scores: Tensor, mask: Tensor | None = None) -> Any:
        self._check(scores.shape)
        return keras.KerasTensor(scores.shape, dtype="float32")

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_tags": self.num_tags,
            "allowed_transitions": self.allowed_transitions,
            "allowed_starts": self.allowed_starts,
        }


def _booleans(name, values, shape):
    """Lists of booleans, as a configuration keeps them, or `None`."""
    if values is None:
        return None
    values = ops.convert_to_numpy(values).astype("bool")
    if values.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape}. Received: shape {values.shape}")
    return values.tolist()
