"""One level of the sparse extraction: values on the lattice of one spacing, in blocks.

A level knows which values are evaluated and which are predicted from the level above, and which
cells the surface may cross.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tsr.surface.detail import Planes, curvature_score, hidden_score
from tsr.surface.lattice import pool, pool_up, upsample
from tsr.surface.marching import CORNERS

Field = Callable[[Tensor], Tensor]
"""Grid points ``(N, 3)`` int64 to values ``(N,)`` float32, inside > 0."""

MAX_SUSPECTS = 0.1
"""At most this share of the coarse cells is refined because it may hide a surface."""

B = 8
"""Cells of a block along an axis."""
POINTS = B**3
"""Points of a block."""


class Level:
    """Values on the lattice of one spacing, in blocks.

    A block owns 8³ points; its cells also need the points of the neighbours beyond its upper
    faces, which ``halo`` refers to.

    Args:
        field: The values at grid points.
        resolution: Grid points per axis.
        stride: The spacing of the lattice, in grid cells.
        margin: Share of a cell's range of values by which a prediction may be wrong.
        device: Where to compute.

    Shapes: ``nb`` blocks, ``no`` owners of points (the blocks and the neighbours they need).
    """

    def __init__(
        self, field: Field, resolution: int, stride: int, margin: float, device: torch.device
    ) -> None:
        self.field = field
        self.last = resolution - 1
        self.stride = stride
        self.margin = margin
        self.device = device
        self.cells = -(-self.last // stride)  # per axis
        self.side = -(-self.cells // B)  # blocks per axis
        self.evaluated = 0

    def start(self) -> None:
        """Evaluate the whole lattice."""
        n = torch.arange(self.side, device=self.device)
        self._allocate(torch.cartesian_prod(n, n, n))
        self._evaluate(self._corners(self.valid))

    def refine(self, parent: Level, suspects: Tensor | None) -> int:
        """Refine around the parent's surface and inside the cells that may hide one.

        Args:
            parent: The level of twice the spacing.
            suspects: ``(nb, 8, 8, 8)`` bool, cells of the parent that may hide a surface.

        Returns:
            The number of the suspects' children that still come close to the threshold.
        """
        near = parent.dilate(parent.mixed())
        selected = near if suspects is None else near | suspects
        octants = selected.reshape(-1, 2, 4, 2, 4, 2, 4)
        block, i, j, k = torch.nonzero(octants.amax((2, 4, 6)), as_tuple=True)
        octant = torch.stack([i, j, k], 1)
        blocks = parent.blocks[block] * 2 + octant
        known = (blocks < self.side).all(1)
        block, octant, blocks = block[known], octant[known], blocks[known]
        forced = torch.empty(0, 3, dtype=torch.int64, device=self.device)
        while True:
            self._allocate(torch.cat([blocks, forced]))
            self._predict(parent, block, octant)
            if len(forced):
                self._evaluate(self._points_of(slice(len(blocks), None)))
            if suspects is not None:
                self._evaluate(self._corners(self._children(suspects, block, octant)))
            self._evaluate(self._corners(self._crossed()))
            while self._evaluate(self._corners(self.mixed() & ~self._evaluated_cells())):
                pass
            missing = self._missing()
            if not len(missing):
                break
            forced = torch.unique(torch.cat([forced, missing]), dim=0)
        if suspects is None:
            return 0
        children = self._children(suspects, block, octant)
        surface = self.dilate(self.mixed())[: len(children)]
        low, high = (r[: len(children)] for r in self._range())
        close = torch.minimum(low.abs(), high.abs()) < (high - low) / 4
        return int((children & close & ~surface).sum())

    def suspects(self, planes: Planes | None) -> tuple[Tensor, int]:
        """Cells that may hide a surface which this level does not show.

        Args:
            planes: The terms of a triplane's field, if it is one.

        Returns:
            ``(nb, 8, 8, 8)`` bool, at most :data:`MAX_SUSPECTS` of the cells, and the number of
            further cells that were left out.
        """
        near = self.dilate(self.mixed())
        n = self.cells
        lattice = self._lattice()
        hidden = curvature_score(lattice)  # (n, n, n)
        if planes is not None:
            shown = self._dense(near)[:n, :n, :n]
            detail = hidden_score(planes, lattice, shown, self.stride, self.last)
            hidden = torch.maximum(hidden, detail)
        score = torch.zeros((self.side * B,) * 3, device=self.device)
        score[:n, :n, :n] = hidden
        in_blocks = score.reshape((self.side, B) * 3).permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
        in_blocks = torch.where(near | ~self.valid, 0, in_blocks)
        most = int(MAX_SUSPECTS * self.cells**3)
        number = int((in_blocks > 1).sum())
        if number <= most:
            return in_blocks > 1, 0
        least = torch.topk(in_blocks.flatten(), most).values[-1]
        highest = in_blocks > least
        return highest, number - int(highest.sum())

    def mixed(self) -> Tensor:
        """Cells ``(nb, 8, 8, 8)`` whose corners differ in sign."""
        inside = self._at_halo(self.values) > 0
        return pool(inside, torch.logical_or) & ~pool(inside, torch.logical_and) & self.valid

    def dilate(self, cells: Tensor) -> Tensor:
        """Cells ``(nb, 8, 8, 8)`` that share a point with some of ``cells``, across blocks."""
        return pool(self._at_halo(self._corners(cells)), torch.logical_or) & self.valid

    def unexpected(self, cells: Tensor, stride: int) -> int:
        """The number of this level's cells that hold fine cells but lie apart from its surface.

        Args:
            cells: ``(N, 3)``, cells of a finer level that the surface crosses.
            stride: The spacing of that level, in grid cells.
        """
        own = cells * stride // self.stride
        expected = self._dense(self.dilate(self.mixed()))
        found = torch.zeros_like(expected)
        found[own[:, 0], own[:, 1], own[:, 2]] = True
        return int((found & ~expected).sum())

    def _dense(self, cells: Tensor) -> Tensor:
        """Marked cells ``(nb, 8, 8, 8)`` in one array ``(8 * side,) * 3``."""
        dense = torch.zeros((self.side * B,) * 3, dtype=torch.bool, device=self.device)
        blocks, x, y, z = torch.nonzero(cells, as_tuple=True)
        at = self.blocks[blocks] * B + torch.stack([x, y, z], 1)
        dense[at[:, 0], at[:, 1], at[:, 2]] = True
        return dense

    def _lattice(self) -> Tensor:
        """All values of a level that covers the whole lattice, ``(cells + 1,) * 3``."""
        p = torch.arange(B, device=self.device)
        at = self.owners[:, None] * B + torch.cartesian_prod(p, p, p)
        at = at.reshape(-1, 3)
        inside = (at <= self.cells).all(1)
        x, y, z = at[inside].unbind(1)
        lattice = torch.zeros((self.cells + 1,) * 3, device=self.device)
        lattice[x, y, z] = self.values[inside]
        return lattice

    def _allocate(self, blocks: Tensor) -> None:
        self.blocks = blocks  # (nb, 3)
        n, side = len(blocks), self.side + 1
        upper = torch.tensor(CORNERS, device=self.device)
        flat = torch.tensor([side * side, side, 1], device=self.device)
        # sums of products: CUDA has no matrix products of integers
        needed = (blocks * flat).sum(1)[:, None] + (upper * flat).sum(1)  # (nb, 8)
        slot = torch.full((side**3,), -1, dtype=torch.int64, device=self.device)
        slot[needed[:, 0]] = torch.arange(n, device=self.device)
        mark = torch.zeros(side**3, dtype=torch.bool, device=self.device)
        mark[needed.flatten()] = True
        extra = torch.nonzero(mark & (slot < 0))[:, 0]
        slot[extra] = torch.arange(n, n + len(extra), device=self.device)
        self.slot = slot.reshape(side, side, side)
        neighbours = torch.stack([extra // (side * side), extra // side % side, extra % side], 1)
        self.owners = torch.cat([blocks, neighbours])  # (no, 3)
        p = torch.arange(9, device=self.device)
        x, y, z = torch.meshgrid(p, p, p, indexing="ij")
        owner = (x // B * 4 + y // B * 2 + z // B).flatten()
        local = (x % B * 64 + y % B * 8 + z % B).flatten()
        self.halo = (slot[needed][:, owner] * POINTS + local).reshape(n, 9, 9, 9)
        self.values = torch.zeros(len(self.owners) * POINTS, device=self.device)
        self.known = torch.zeros(len(self.values), dtype=torch.bool, device=self.device)
        p = p[:B]
        inside = blocks[:, :, None] * B + p < self.cells  # (nb, 3, 8)
        self.valid = (
            inside[:, 0, :, None, None] & inside[:, 1, None, :, None] & inside[:, 2, None, None, :]
        )

    def _evaluate(self, points: Tensor) -> int:
        """Evaluate marked points ``(no * 512,)`` that are not yet; returns their number."""
        new = torch.nonzero(points & ~self.known)[:, 0]
        if not len(new):
            return 0
        local = torch.stack([new % 512 // 64, new % 64 // 8, new % 8], 1)
        index = (self.owners[new // POINTS] * B + local) * self.stride
        self.values[new] = self.field(index.clamp_(max=self.last))
        self.known[new] = True
        self.evaluated += len(new)
        return len(new)

    def _predict(self, parent: Level, block: Tensor, octant: Tensor) -> None:
        """Interpolate the parent's values linearly; points that both share stay evaluated."""
        p = torch.arange(5, device=self.device)
        x, y, z = (octant[:, d, None] * 4 + p for d in range(3))  # (n, 5) each
        at = (x[:, :, None, None] * 9 + y[:, None, :, None]) * 9 + z[:, None, None, :]
        source = parent.halo.flatten(1)[block[:, None], at.flatten(1)]  # (n, 125)
        coarse = parent.values.index_select(0, source.flatten()).reshape(-1, 5, 5, 5)
        own = self.halo[: len(block)]
        self.values.index_copy_(0, own.flatten(), upsample(coarse).flatten())
        shared = own[:, ::2, ::2, ::2].flatten(1)
        self.known[shared[parent.known[source]]] = True

    def _at_halo(self, points: Tensor) -> Tensor:
        """``(no * 512,)`` at own points to ``(nb, 9, 9, 9)``, the neighbours' points included."""
        return points.index_select(0, self.halo.flatten()).view_as(self.halo)

    def _range(self) -> tuple[Tensor, Tensor]:
        values = self._at_halo(self.values)
        return pool(values, torch.minimum), pool(values, torch.maximum)

    def _crossed(self) -> Tensor:
        """Cells that the surface may cross by the prediction."""
        low, high = self._range()
        slack = (high - low) * self.margin
        return (low - slack <= 0) & (high + slack > 0) & self.valid

    def _evaluated_cells(self) -> Tensor:
        return pool(self._at_halo(self.known), torch.logical_and)

    def _corners(self, cells: Tensor) -> Tensor:
        """Marks ``(no * 512,)`` of the corners of cells ``(n, 8, 8, 8)`` of the first n blocks."""
        marks = torch.zeros_like(self.known)
        marks.index_fill_(0, self.halo[: len(cells)][pool_up(cells)], True)
        return marks

    def _points_of(self, blocks: slice) -> Tensor:
        marks = torch.zeros_like(self.known)
        marks.index_fill_(0, self.halo[blocks].flatten(), True)
        return marks

    def _children(self, cells: Tensor, block: Tensor, octant: Tensor) -> Tensor:
        """The parent's cells at this spacing, ``(n, 8, 8, 8)``."""
        p = torch.arange(4, device=self.device)
        x, y, z = (octant[:, d, None] * 4 + p for d in range(3))
        part: Tensor = cells[
            block[:, None, None, None], x[:, :, None, None], y[:, None, :, None], z[:, None, None]
        ]
        for dim in (1, 2, 3):
            part = torch.repeat_interleave(part, 2, dim)
        return part

    def _missing(self) -> Tensor:
        """Blocks ``(n, 3)`` not in the list but next to a face that the surface crosses."""
        inside = self._at_halo(self.values) > 0  # (nb, 9, 9, 9)
        found = []
        for dim in range(3):
            for end, step in ((0, -1), (B, 1)):
                face = inside.select(dim + 1, end)
                rows = face[:, :-1] | face[:, 1:], face[:, :-1] & face[:, 1:]
                some = rows[0][..., :-1] | rows[0][..., 1:]
                every = rows[1][..., :-1] & rows[1][..., 1:]
                valid = self.valid.select(dim + 1, min(end, B - 1))
                crossed = (some & ~every & valid).flatten(1).any(1)
                neighbour = self.blocks[crossed]
                neighbour[:, dim] += step
                fits = (neighbour[:, dim] >= 0) & (neighbour[:, dim] < self.side)
                found.append(neighbour[fits])
        blocks = torch.cat(found)
        slot = self.slot[blocks[:, 0], blocks[:, 1], blocks[:, 2]]
        unlisted = (slot < 0) | (slot >= len(self.blocks))
        unique: Tensor = torch.unique(blocks[unlisted], dim=0)
        return unique
