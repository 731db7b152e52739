"""The Vision Transformer as PyTorch users have it: what Hugging Face's computes, written out."""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """Three separate projections, fused attention, exact GELU; normalized first."""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(dim, 1e-12), nn.LayerNorm(dim, 1e-12)
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
        self.output = nn.Linear(dim, dim)
        self.wide, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        h = self.before(x)
        query, key, value = (
            project(h).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        context = F.scaled_dot_product_attention(query, key, value)
        x = x + self.output(context.transpose(1, 2).flatten(2))
        return x + self.narrow(F.gelu(self.wide(self.after(x))))


class VisionTransformer(nn.Module):
    """A convolution over patches, a class token, learned positions, blocks, and a linear head."""

    def __init__(self, image, patch, dim, depth, heads, classes):
        super().__init__()
        self.patches = nn.Conv2d(3, dim, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + (image // patch) ** 2, dim))
        self.blocks = nn.Sequential(*(Block(dim, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(dim, 1e-12), nn.Linear(dim, classes)

    def forward(self, pixels):
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])
