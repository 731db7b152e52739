"""Names of the attention mechanisms that the flags of applications take."""

MECHANISMS = (
    "additive",
    "luong_dot",
    "luong_general",
    "luong_concat",
    "multi_head",
    "grouped_query",
    "multi_query",
    "local",
    "block_sparse",
    "linear",
    "performer",
)
SINGLE_HEAD = MECHANISMS[:4]
SELF_ATTENTION_ONLY = ("local", "block_sparse")
