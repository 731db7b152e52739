"""Additive attention that sees where the step before it looked."""

from typing import Any

from keras import ops

from ..attention.additive_attention import AdditiveAttention
from ..attention.scored_attention import project
from ..checks import check_axes
from ..functional.masking import masked_softmax
from ..functional.step_loop import run_steps
from ..types import Tensor


class AlignedAttention(AdditiveAttention):
    """Base of mechanisms whose score depends on the alignment: what earlier weights left behind.

    The alignment, `(B, S)` for each query, is handed from step to step and never stored. A subclass
    says how it begins, what it adds to the energy, and what it becomes after a step. Queries are
    taken in order, one after the other: `attend_step` is one step, `attend` is the loop over all.

    A masked query, or one that is left without any key, has zero weights and a zero context, and
    leaves the alignment as it was. The alignment is float32 under every dtype policy: small weights
    added to a sum of many would be lost in half precision.

    Call arguments: those of `AttentionLayer`, and
        previous_weights: `(B, S)`, the alignment to begin with, where there were steps before.
    """

    # To be written by a mechanism.

    def initial_alignment(self, rows: int, key_length: int) -> Any:
        """The alignment before the first step, `(rows, S)`."""
        return ops.zeros((rows, key_length), dtype="float32")

    def location(self, alignment: Tensor) -> Any:
        """What `alignment` `(B, K, S)` adds to the energy, `(B, K, S, units)`."""
        return 0.0

    def next_alignment(self, alignment: Tensor, weights: Tensor) -> Any:
        return weights

    # What they share.

    def score(self, query: Tensor, key: Tensor, alignment: Tensor) -> Any:
        energy = project(self.query_projection, query)[:, :, None] + key[:, None]
        energy = ops.tanh(energy + self.location(alignment))
        return ops.squeeze(project(self.score_projection, energy), axis=-1)

    def normalize(
        self, scores: Tensor, alignment: Tensor, mask: Tensor, training: bool | None
    ) -> Any:
        """Float32 scores to weights."""
        return masked_softmax(scores, mask)

    def sample_noise(self, shape: Any, training: bool | None = None) -> Any:
        """Noise for scores of `shape`, or `None`; drawn outside a loop, where a seed may change."""
        return None

    def attend_step(
        self,
        query: Tensor,
        memory: Any,
        alignment: Tensor,
        mask: Tensor | None = None,
        training: bool | None = None,
        dropout_mask: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Any:
        """One step of K queries at once that do not see each other, as candidates in a search.

        Args:
            query: `(B, K, Dq)`.
            memory: the pair of `project_memory`.
            alignment: `(B, K, S)`.
            mask: boolean, broadcastable to `(B, K, S)`, or `None`.
            training: whether dropout is active.
            dropout_mask: from `sample_dropout`.
            noise: from `sample_noise`.

        Returns:
            The context `(B, K, Dv)`, the weights `(B, K, S)` and the next alignment.
        """
        keys, values = memory
        scores = ops.cast(self.score(query, keys, alignment), "float32")
        if noise is not None:
            scores = scores + ops.cast(noise, "float32")
        weights = self.normalize(scores, alignment, mask, training)
        after = self.next_alignment(alignment, weights)
        if mask is not None:
            after = ops.where(ops.any(mask, axis=-1, keepdims=True), after, alignment)
        weights = ops.cast(weights, self.compute_dtype)
        context = ops.matmul(self._drop(weights, training, dropout_mask), values)
        return context, weights, after

    def attend(
        self,
        query: Tensor,
        memory: Any,
        mask: Any = None,
        training: bool | None = None,
        dropout_mask: Tensor | None = None,
        return_attention_scores: bool = True,
        previous_weights: Tensor | None = None,
    ) -> Any:
        mask = self._merge(mask, query, memory[0])
        batch, length = ops.shape(query)[:2]
        shape = (batch, length, ops.shape(memory[0])[1])
        if previous_weights is None:
            previous_weights = self.initial_alignment(batch, shape[-1])
        if mask is not None:
            mask = ops.broadcast_to(mask, shape)
        if dropout_mask is None:
            dropout_mask = self.sample_dropout(shape, training)
        noise = self.sample_noise(shape, training)

        def step(inputs, states):
            # Each query is the one candidate of its example.
            query, *rest = [None if x is None else x[:, None] for x in inputs]
            mask, dropout_mask, noise = rest
            context, weights, after = self.attend_step(
                query, memory, states[0][:, None], mask, training, dropout_mask, noise
            )
            return [context[:, 0], weights[:, 0]], [after[:, 0]]

        inputs = [query, mask, dropout_mask, noise]
        alignment = ops.cast(previous_weights, "float32")
        (context, weights), _ = run_steps(step, inputs, [alignment])
        return context, weights

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        use_causal_mask: bool = False,
        return_attention_scores: bool = False,
        training: bool | None = None,
        previous_weights: Tensor | None = None,
    ) -> Any:
        mask = self._make_mask(
            query.shape,
            value.shape,
            query_mask=query_mask,
            value_mask=value_mask,
            key_mask=key_mask,
            attention_mask=attention_mask,
            use_causal_mask=use_causal_mask,
        )
        if previous_weights is not None:
            axes = {"batch": value.shape[0], "key_length": value.shape[1]}
            check_axes(self, "previous_weights", previous_weights.shape, **axes)
        options = {"previous_weights": previous_weights}
        return self._call(query, value, key, mask, return_attention_scores, training, **options)
