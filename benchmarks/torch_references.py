"""Self-attention as a PyTorch user would write it."""

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.sizes import ADDITIVE_DIM, DIM, HEADS


class Projected(nn.Module):
    """`F.scaled_dot_product_attention` between its projections; one product for q, k and v."""

    def __init__(self, causal=False):
        super().__init__()
        self.causal = causal
        self.inputs = nn.Linear(DIM, 3 * DIM)
        self.output = nn.Linear(DIM, DIM)

    def forward(self, x):
        heads = self.inputs(x).unflatten(-1, (3, HEADS, DIM // HEADS))
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        context = F.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        return self.output(context.transpose(1, 2).flatten(2))


class MultiHead(nn.Module):
    """`torch.nn.MultiheadAttention`, not asked for weights."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(DIM, HEADS, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class DotProduct(nn.Module):
    """Luong's dot score: one head, no projections, no scale."""

    def forward(self, x):
        x = x[:, None]
        return F.scaled_dot_product_attention(x, x, x, scale=1.0)[:, 0]


class Bahdanau(nn.Module):
    """`score = V tanh(W1 q + W2 k)`, all queries at once."""

    def __init__(self):
        super().__init__()
        self.query = nn.Linear(ADDITIVE_DIM, ADDITIVE_DIM)
        self.key = nn.Linear(ADDITIVE_DIM, ADDITIVE_DIM)
        self.score = nn.Linear(ADDITIVE_DIM, 1, bias=False)

    def forward(self, x):
        energy = torch.tanh(self.query(x)[:, :, None] + self.key(x)[:, None])
        return self.score(energy).squeeze(-1).softmax(-1) @ x
