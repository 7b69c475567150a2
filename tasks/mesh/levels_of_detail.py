"""Levels of detail of a GLB: as many faces as a file of some size holds, and how far they lie off.

Positions are 16-bit steps of the largest coordinate (hundredths of a millimetre on a tyre), normals
8-bit (KHR_mesh_quantization). Vertices that had positions of their own keep such, so that a closed
mesh stays closed. Attributes keep the names and units of the full file. Borders of a texture's
charts stay where they are; where there are so many of them that no mesh with its texture fits,
vertex colours take the texture's place, in small charts first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.imaging.images import decode_embedded, encode_image
from tasks.imaging.resizing import bounded
from tasks.mesh.glb import BYTE, FLOAT, SHORT, UINT, USHORT, GlbBuffer, pack_glb
from tasks.mesh.glb_reader import FloatArray, ReadMesh
from tasks.mesh.meshopt_views import EXTENSION, in_drawing_order
from tasks.mesh.normals import vertex_normals
from tasks.mesh.open_charts import without_charts, without_small_charts
from tasks.mesh.simplification import (
    Deviation,
    Simplified,
    cluster,
    deviation,
    deviation_of,
    edge_counts,
    simplify,
    unsimplified,
)
from tasks.mesh.texture import uv_gradients

_ROUNDS = 8
_UNUSED, _FILLED = 0.07, 0.97
"""Shares of the file's bytes that may stay unused, and that are meant to be used."""
_OF_ERROR, _OF_DOCUMENT = 512, 2048
"""Bytes that the error takes in the document, and the document about takes itself."""
_TEXTURE_SHARE = 0.45
"""Largest share of the file's bytes that goes to the texture."""
_SIDES = (5793, 4096, 2896, 2048, 1448, 1024, 724, 512, 256)
_JPEG = b"\xff\xd8"
_STEPS = 32767
_NEIGHBOURS = np.array(sorted(product((-1, 0, 1), repeat=3), key=lambda step: np.abs(step).sum()))


@dataclass(frozen=True)
class Level:
    """A GLB that stands for a fuller one, and what it lost.

    Args:
        content: The GLB.
        num_vertices: Its vertices, those at one position counted once.
        num_written_vertices: Those that the file holds.
        num_faces: Its faces.
        lost: How far the full mesh's vertices are from its surface.
        closed: Whether every edge has two faces, vertices at one position taken as one.
        simple: Its surface, for levels of less detail; None where it has another form than theirs.
    """

    content: bytes
    num_vertices: int
    num_written_vertices: int
    num_faces: int
    lost: Deviation
    closed: bool
    simple: Simplified | None = field(default=None, repr=False)

    def figures(self) -> dict[str, Any]:
        """What a record says of it, in plain JSON types."""
        return {
            "bytes": len(self.content),
            "num_vertices": self.num_vertices,
            "num_written_vertices": self.num_written_vertices,
            "num_faces": self.num_faces,
            "watertight": self.closed,
            "error_mean_mm": round(self.lost.mean_mm, 4),
            "error_p99_mm": round(self.lost.p99_mm, 4),
            "error_max_mm": round(self.lost.max_mm, 4),
        }


def level_glb(
    full: ReadMesh,
    max_bytes: int,
    *,
    compressed: bool,
    brief: bool = True,
    above: Level | None = None,
) -> Level:
    """A mesh as a GLB of bounded size.

    Args:
        full: The full mesh.
        max_bytes: Bound of the GLB's size.
        compressed: Whether it is compressed by EXT_meshopt_compression, which takes a decoder.
        brief: Whether of where the mesh comes from only the main things are repeated.
        above: A level of more detail, to begin with: that is quicker, and costs a tenth in error.

    Raises:
        ValueError: The mesh says so much of its origin that nothing is left for its faces.
    """
    writer = _Writer(compressed, brief)
    closed = without_charts(full)
    found = None
    for form in _forms(full, closed):
        image = _small_texture(form, round(_TEXTURE_SHARE * max_bytes))
        on_borders = 2 * (len(form.vertices) - len(closed.vertices))  # at least, and each stays
        own = above if form is full else None
        if form.uv is None or on_borders * writer.per_vertex(own) + len(image or b"") < max_bytes:
            found = _fitted(form, image, max_bytes, writer, own)
        if found is not None:
            # vertices of another form are not the full mesh's
            found = found if form is full else replace(found, simple=None)
            break
    if found is None:  # a mesh so torn that edges do not collapse
        found = _fitted(closed, None, max_bytes, writer, None, cluster)
        found = found and replace(found, simple=None)
    if found is None:
        raise ValueError(f"no mesh fits into {max_bytes} bytes")
    return found


def _forms(full: ReadMesh, closed: ReadMesh) -> Iterator[ReadMesh]:
    """The mesh with as much of its texture as can be, made when it is asked for."""
    yield full
    if full.uv is None:
        return
    partly = without_small_charts(full)
    if partly is not None:
        yield partly
    yield closed


def whole(content: bytes, mesh: ReadMesh) -> Level:
    """A GLB as a level that lost nothing."""
    return _level(content, mesh.vertices, mesh.faces, Deviation(0.0, 0.0, 0.0), len(mesh.vertices))


@dataclass(frozen=True)
class _Writer:
    compressed: bool
    brief: bool

    def per_vertex(self, above: Level | None) -> float:
        """About how many bytes a vertex takes with its share of the faces.

        Vertices that lie farther apart are compressed less.
        """
        if not self.compressed:
            return 44.0
        return 16.8 if above is None else 19.5

    def __call__(
        self,
        full: ReadMesh,
        simple: Simplified,
        image: bytes | None,
        gradients: FloatArray | None,
    ) -> _Encoded:
        """The simplified mesh, encoded; ``gradients`` are those of its texture coordinates."""
        options = {"compressed": self.compressed, "brief": self.brief}
        return _encode(full, simple, image, gradients, **options)


@dataclass(frozen=True)
class _Encoded:
    """A level that does not say yet how far it lies off.

    Args:
        document: The glTF.
        data: Its buffer.
        positions: ``(V, 3)`` where the simplified mesh's vertices are.
    """

    document: dict[str, Any]
    data: bytes
    positions: FloatArray

    def glb(self, lost: Deviation | None = None) -> bytes:
        """The GLB, which tells what was lost."""
        asset = self.document["asset"]
        extras = {**asset["extras"], "detail": asdict(lost) if lost else {}}
        return pack_glb({**self.document, "asset": {**asset, "extras": extras}}, self.data)


def _fitted(
    full: ReadMesh,
    image: bytes | None,
    max_bytes: int,
    writer: _Writer,
    above: Level | None,
    lessen: Callable[[Simplified, int], Simplified] = simplify,
) -> Level | None:
    """The GLB of as many faces as there is room for; None where there is none at all."""
    whole_mesh = unsimplified(full.vertices, full.faces)
    start = whole_mesh if above is None or above.simple is None else above.simple
    aside = len(image or b"") + _OF_DOCUMENT
    room, rate, simple = max(max_bytes - aside, 0), writer.per_vertex(above), start
    fewest, found = len(full.vertices) + 1, None
    gradients = None if full.uv is None else uv_gradients(full.vertices, full.faces, full.uv)
    for _ in range(_ROUNDS):
        # a closed surface has two faces to a vertex; vertices beyond are borders, and those stay
        beyond = len(simple.vertices) - len(simple.faces) / 2
        target = int(2 * (_FILLED * room / rate - beyond))
        simple = lessen(start, min(max(target, 4), len(full.faces)))
        made = writer(full, simple, image, gradients)
        free = max_bytes - len(made.glb()) - _OF_ERROR
        if free >= 0:
            found = (simple, made)
            if len(simple.faces) == len(start.faces) or free < _UNUSED * max_bytes:
                break
        elif len(simple.vertices) >= fewest:
            break  # what is left are the borders of charts, which stay where they are
        else:
            fewest = len(simple.vertices)
        rate = max(len(made.data) - len(image or b""), 1) / len(simple.vertices)
    if found is None:
        return None
    simple, made = found
    if len(simple.faces) == len(full.faces):
        lost = deviation_of(np.linalg.norm(made.positions - full.vertices, axis=1))
    else:
        lost = deviation(full.vertices, _normals_of(full), simple, made.positions)
    written = made.document["accessors"][0]["count"]  # without those that no face is left of
    level = _level(made.glb(lost), made.positions, simple.faces, lost, written)
    return replace(level, simple=simple)


def _level(
    content: bytes, positions: FloatArray, faces: NDArray[np.int32], lost: Deviation, written: int
) -> Level:
    position, _, faces_at_edge = edge_counts(positions, faces)
    return Level(
        content,
        num_vertices=len(np.unique(position[faces])),
        num_written_vertices=written,
        num_faces=len(faces),
        lost=lost,
        closed=bool((faces_at_edge == 2).all()),
    )


def _small_texture(full: ReadMesh, max_bytes: int) -> bytes | None:
    """The texture as a JPEG of bounded size; None where there is none that can be read."""
    if full.texture is None or full.uv is None:
        return None
    if len(full.texture) <= max_bytes and full.texture.startswith(_JPEG):
        return full.texture
    image = decode_embedded(full.texture)
    if image is None:
        return None
    longest = max(image.shape[:2])
    for side in (longest, *(s for s in _SIDES if s < longest)):
        small = encode_image(".jpg", bounded(image, side), [cv2.IMWRITE_JPEG_QUALITY, 82])
        if len(small) <= max_bytes:
            return small
    return None


def _encode(
    full: ReadMesh,
    simple: Simplified,
    image: bytes | None,
    gradients: FloatArray | None,
    *,
    compressed: bool,
    brief: bool,
) -> _Encoded:
    buffer = GlbBuffer(compressed=compressed)
    scale = max(float(np.abs(simple.vertices).max()), 1e-9) / _STEPS
    steps = _steps(simple.vertices, scale)
    faces: NDArray[np.integer[Any]] = simple.faces
    nearest, order = simple.nearest(full.vertices), np.arange(len(steps))
    if compressed:
        faces, order = in_drawing_order(simple.faces, len(steps))
    used = steps[order]
    bounds = {n: [int(v) for v in getattr(used, n)(axis=0)] for n in ("min", "max")}
    normals = np.rint(127 * _normals(full, simple)[order]).astype("<i1")
    attributes = {
        "POSITION": buffer.add(used, "VEC3", SHORT, **bounds),
        "NORMAL": buffer.add(normals, "VEC3", BYTE, normalized=True),
    }
    textured = image is not None and full.uv is not None
    tint = full.tint if textured else None
    shown = full.colours if tint is None else np.column_stack([tint, np.ones(len(tint))])
    if shown is not None:
        colours = np.rint(65535 * simple.mean_of(shown)[order]).astype("<u2")
        name = "_COLOR_0" if textured and tint is None else "COLOR_0"
        attributes[name] = buffer.add(colours, "VEC4", USHORT, normalized=True)
    for name, values in full.attributes.items():
        kept = values[nearest][order].astype("<f4")
        attributes[f"_{name.upper()}"] = buffer.add(kept, "SCALAR", FLOAT)
    material: dict[str, Any] = {
        "name": "rubber",
        "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.9},
    }
    document: dict[str, Any] = {}
    if image is not None and full.uv is not None:
        uv = full.uv[nearest]
        if gradients is not None:  # a vertex lies beside the one that its position is taken from
            moved = simple.vertices - full.vertices[nearest]
            uv = uv + np.einsum("vij,vi->vj", gradients[nearest], moved)
        uv = uv[order].astype("<f4")
        attributes["TEXCOORD_0"] = buffer.add(uv, "VEC2", FLOAT)
        document["images"] = [{"bufferView": buffer.add_file(image), "mimeType": "image/jpeg"}]
        document["textures"] = [{"source": 0}]
        material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
    small = len(order) < 65535
    indices = buffer.add(
        faces.astype("<u2" if small else "<u4").reshape(-1),
        "SCALAR",
        USHORT if small else UINT,
    )
    name = _name_of(full)
    extensions = ["KHR_mesh_quantization", *([EXTENSION] if compressed else [])]
    document |= {
        "asset": {
            "version": "2.0",
            "generator": full.document["asset"].get("generator", "Tyre3D"),
            "extras": _brief(full.extras) if brief else full.extras,
        },
        "extensionsUsed": extensions,
        "extensionsRequired": extensions,
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": name, "mesh": 0, "scale": [scale] * 3}],
        "meshes": [
            {
                "name": name,
                "primitives": [{"attributes": attributes, "indices": indices, "material": 0}],
            }
        ],
        "materials": [material],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": buffer.buffers,
    }
    return _Encoded(document, bytes(buffer.data), np.asarray(steps * scale))


def _steps(vertices: FloatArray, scale: float) -> NDArray[np.int16]:
    """Positions as whole steps; of several that would fall on one, all but one move aside.

    Args:
        vertices: ``(V, 3)``; those at one position stay at one.
        scale: Metres of a step.
    """
    positions, back = np.unique(vertices, axis=0, return_inverse=True)
    steps = np.rint(positions / scale).astype(np.int64)
    _, first = np.unique(steps, axis=0, return_index=True)
    late = np.setdiff1d(np.arange(len(steps)), first)
    if len(late):
        taken = set(map(tuple, steps.tolist()))
        for index in late:
            around = steps[index] + _NEIGHBOURS
            around = around[(np.abs(around) <= _STEPS).all(axis=1)]
            off = np.linalg.norm(around - positions[index] / scale, axis=1)
            free = (tuple(around[i].tolist()) for i in np.argsort(off, kind="stable"))
            found = next((step for step in free if step not in taken), None)
            if found is not None:  # else its faces lie in a point, and stay so
                taken.add(found)
                steps[index] = found
    return steps[back.reshape(-1)].astype("<i2")


def _brief(extras: Mapping[str, Any]) -> dict[str, Any]:
    """What a preview repeats of where the mesh comes from: the full file has all."""
    kept = ("input", "model", "verdict", "reasons", "scale", "frame_of_reference")
    return {name: extras[name] for name in kept if name in extras}


def _name_of(full: ReadMesh) -> str:
    nodes = full.document.get("nodes", [])
    return next((n["name"] for n in nodes if "mesh" in n and "name" in n), "tyre")


def _normals_of(full: ReadMesh) -> FloatArray:
    return vertex_normals(full.vertices, full.faces) if full.normals is None else full.normals


def _normals(full: ReadMesh, simple: Simplified) -> FloatArray:
    """Unit normals: those of the full mesh, merged, so that charts meet without a crease."""
    merged = simple.mean_of(_normals_of(full))
    length = np.linalg.norm(merged, axis=1, keepdims=True)
    merged = np.where(length > 1e-9, merged / np.maximum(length, 1e-9), (0.0, 0.0, 1.0))
    return np.asarray(merged)
