"""The layers against their formulas, written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tsr.config import BackboneConfig, PostProcessorConfig, TokenizerConfig
from tsr.network import transformer
from tsr.network.transformer import (
    GEGLU,
    Attention,
    Block,
    FeedForward,
    Transformer,
    TriplaneTokenizer,
    TriplaneUpsample,
)

BACKBONE = BackboneConfig(
    in_channels=4,
    num_attention_heads=2,
    attention_head_dim=3,
    num_layers=3,
    cross_attention_dim=5,
    norm_num_groups=2,
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_tokens_run_by_plane_then_row_then_column() -> None:
    tokenizer = TriplaneTokenizer(TokenizerConfig(plane_size=5, num_channels=2))
    planes = torch.arange(3 * 2 * 5 * 5.0).reshape(3, 2, 5, 5)
    tokenizer.embeddings.data = planes
    tokens = tokenizer()
    assert tokens.shape == (1, 2, 75)
    for plane, channel, row, column in ((0, 0, 0, 1), (1, 1, 3, 2), (2, 0, 4, 4)):
        token = tokens[0, channel, 25 * plane + 5 * row + column]
        assert token == planes[plane, channel, row, column]
    back = tokenizer.detokenize(tokens.repeat(4, 1, 1) + torch.arange(4.0)[:, None, None])
    torch.testing.assert_close(back, planes + torch.arange(4.0)[:, None, None, None, None])


def softmax_attention(layer: Attention, x: Tensor, context: Tensor) -> Tensor:
    """One head and one query after the other."""
    q, k, v = (y.double() for y in (layer.to_q(x), layer.to_k(context), layer.to_v(context)))
    size = q.shape[-1] // layer.heads
    rows = []
    for image in range(len(context)):
        for query in q[image if len(q) > 1 else 0]:
            parts = []
            for head in range(layer.heads):
                own = slice(head * size, (head + 1) * size)
                scores = k[image, :, own] @ query[own] / math.sqrt(size)
                weights = scores.exp() / scores.exp().sum()
                parts.append(weights @ v[image, :, own])
            rows.append(torch.cat(parts))
    out: Tensor = layer.to_out[0](torch.stack(rows).float())
    return out.reshape(len(context), x.shape[1], -1)


@pytest.mark.parametrize("batch", [1, 2])
@torch.no_grad()
def test_attention_is_a_softmax_over_the_context_head_by_head(batch: int) -> None:
    """Of queries for each image, and of one set of queries for all."""
    layer = Attention(channels=4, context=5, heads=3, head_dim=2)
    x, context = 3 * torch.randn(batch, 7, 4), 3 * torch.randn(2, 6, 5)
    expected = softmax_attention(layer, x, context)
    torch.testing.assert_close(layer(x, context), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_geglu_gates_its_first_half_by_the_second() -> None:
    layer, x = GEGLU(3, 4), torch.randn(2, 5, 3)
    both = x @ layer.proj.weight.T + layer.proj.bias
    value, gate = both[..., :4], both[..., 4:]
    expected = value * gate * 0.5 * (1 + torch.erf(gate / math.sqrt(2)))
    torch.testing.assert_close(layer(x), expected)


@torch.no_grad()
def test_rows_go_through_the_feed_forward_layer_in_parts_or_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer, x = FeedForward(4), torch.randn(2, 11, 4)
    whole = layer(x)
    assert whole.shape == x.shape
    assert layer.net[0].proj.weight.shape == (2 * 4 * 4, 4), "four times as wide, and gates"
    monkeypatch.setattr(transformer, "ROWS", 3)
    torch.testing.assert_close(layer(x), whole)


@torch.no_grad()
def test_a_block_adds_what_its_normed_layers_make() -> None:
    block = Block(BACKBONE)
    for norm in (block.norm1, block.norm2, block.norm3):
        nn.init.normal_(norm.weight)
    x, image = torch.randn(2, 7, 6), torch.randn(2, 4, 5)
    normed = block.norm1(x)
    itself = x + block.attn1(normed, normed)
    torch.testing.assert_close(block.attend_to_itself(x), itself)
    crossed = x + block.attn2(block.norm2(x), image)
    torch.testing.assert_close(
        block.attend_to_image(x, image), crossed + block.ff(block.norm3(crossed))
    )


@torch.no_grad()
def test_the_backbone_is_its_blocks_in_turn_in_whatever_chunks() -> None:
    backbone, tokens, images = Transformer(BACKBONE), torch.randn(1, 4, 12), torch.randn(3, 7, 5)
    initial = backbone.initial_state(tokens)
    x = backbone.proj_in(backbone.norm(tokens).transpose(1, 2)).expand(3, -1, -1)
    for block in backbone.transformer_blocks:
        assert isinstance(block, Block)
        x = block.attend_to_image(block.attend_to_itself(x), images)
    expected = backbone.proj_out(x).transpose(1, 2) + tokens
    for chunk in (0, 1, 2, 5):
        found = backbone(tokens, initial, images, chunk)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    backbone.proj_out.weight.zero_()
    backbone.proj_out.bias.zero_()
    torch.testing.assert_close(backbone(tokens, initial, images), tokens.expand(3, -1, -1))


def test_the_initial_state_depends_on_the_parameters_that_it_names() -> None:
    """Of others' changes it knows nothing, and what is kept of it between calls would be stale."""
    backbone = Transformer(BACKBONE)
    backbone.initial_state(torch.randn(1, 4, 12)).square().sum().backward()  # type: ignore[no-untyped-call]
    named = {id(p) for p in backbone.initial_parameters()}
    assert named == {id(p) for p in backbone.parameters() if p.grad is not None}


@torch.no_grad()
def test_every_texel_becomes_a_square_of_its_own() -> None:
    layer = TriplaneUpsample(PostProcessorConfig(in_channels=2, out_channels=3, stride=2))
    planes = torch.randn(2, 3, 2, 4, 5)
    weight, bias = layer.upsample.weight, layer.upsample.bias
    assert bias is not None
    out = layer(planes)
    assert out.shape == (2, 3, 3, 8, 10)
    for row in range(2):
        for column in range(2):
            expected = torch.einsum("bpcrs,cd->bpdrs", planes, weight[:, :, row, column])
            torch.testing.assert_close(
                out[..., row::2, column::2], expected + bias[:, None, None], atol=1e-6, rtol=1e-5
            )
