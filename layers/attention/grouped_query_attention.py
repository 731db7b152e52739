from typing import Any

from ..serialization import register
from ..types import Config
from .multi_head_attention import MultiHeadAttention


@register
class GroupedQueryAttention(MultiHeadAttention):
    """`MultiHeadAttention` with the arguments of `keras.layers.GroupQueryAttention`.

    Groups of query heads share the keys and values of one head, Ainslie et al. (2023). It takes the
    place of Keras's layer as it stands, and a model's `.weights.h5` loads after the change: Keras
    looks for weights by the name of the class, which is this one there too.

    Args:
        head_dim: H, the size of a head.
        num_query_heads: N.
        num_key_value_heads: Number of key and value heads, a divisor of `num_query_heads`.
        **kwargs: Of `MultiHeadAttention`, such as `dropout`, `use_bias`, `position`.

    Call arguments and masks: see `MultiHeadAttention`.

    Example:
    >>> x = np.ones((2, 5, 16))
    >>> layer = GroupedQueryAttention(head_dim=8, num_query_heads=4, num_key_value_heads=2)
    >>> tuple(layer(x, x).shape)
    (2, 5, 16)

    Reference:
        [Ainslie et al., 2023](https://arxiv.org/abs/2305.13245)
    """

    def __init__(
        self, head_dim: int, num_query_heads: int, num_key_value_heads: int, **kwargs: Any
    ) -> None:
        super().__init__(num_query_heads, head_dim, num_kv_heads=num_key_value_heads, **kwargs)

    def get_config(self) -> Config:
        config = super().get_config()
        names = {
            "key_dim": "head_dim",
            "num_heads": "num_query_heads",
            "num_kv_heads": "num_key_value_heads",
        }
        return {names.get(name, name): value for name, value in config.items()}
