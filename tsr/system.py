"""The whole model, with the calls of the published implementation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tsr import hub, weights
from tsr.config import TSRConfig
from tsr.errors import TSRError, WeightsError
from tsr.memory import halve_once
from tsr.network.field import SURFACE_DENSITY, Decoder, Renderer
from tsr.network.transformer import Transformer, TriplaneTokenizer, TriplaneUpsample
from tsr.network.vit import ImageTokenizer
from tsr.network.volume import render_rays, spherical_rays
from tsr.precision import LARGE_NETWORK, Precision, choose_dtype
from tsr.state_dict import read_state_dict
from tsr.surface.extract import PARITY, ExtractOptions, colours, extract_surface_of_code

if TYPE_CHECKING:
    import trimesh
    from PIL.Image import Image

    ImageLike = Image | NDArray[Any] | Tensor


_log = logging.getLogger(__name__)

MAX_BATCH = 4
"""Images that a call encodes at once unless it says otherwise."""
_SMALL_GRID = 64


class TSR(nn.Module):
    """TripoSR.

    Args:
        cfg: The model's configuration, or the mapping it is made from. Weights are random;
            :meth:`from_pretrained` loads them.
    """

    def __init__(self, cfg: TSRConfig | Mapping[str, Any]) -> None:
        super().__init__()
        self.cfg = cfg if isinstance(cfg, TSRConfig) else TSRConfig.from_dict(cfg)
        self.image_tokenizer = ImageTokenizer(self.cfg.image_tokenizer)
        self.tokenizer = TriplaneTokenizer(self.cfg.tokenizer)
        self.backbone = Transformer(self.cfg.backbone)
        self.post_processor = TriplaneUpsample(self.cfg.post_processor)
        self.decoder = Decoder(self.cfg.decoder)
        self.renderer = Renderer(self.cfg.renderer)
        self._initial: tuple[tuple[object, ...], Tensor] | None = None

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str,
        config_name: str = hub.CONFIG_NAME,
        weight_name: str = hub.TRIPOSR.weight_name,
    ) -> TSR:
        """Load a model from a local folder, or from the model hub if there is no such folder.

        Args:
            pretrained_model_name_or_path: The folder, or the model's id on the hub.
            config_name: The file of the configuration.
            weight_name: The file of the weights.

        Raises:
            ConfigError: The configuration is wrong.
            WeightsError: The weights are missing or do not fit the configuration.
        """
        config_path, weight_path = weights.locate(
            str(pretrained_model_name_or_path), config_name, weight_name
        )
        cfg = TSRConfig.load(config_path)
        with torch.device("meta"):
            model = cls(cfg)
        state = read_state_dict(weight_path)
        try:
            model.load_state_dict(state, strict=True, assign=True)
        except RuntimeError as exc:
            raise WeightsError(f"{weight_path} does not fit {config_path}: {exc}") from exc
        return model.eval()

    def encode(self, images: Tensor) -> Tensor:
        """Scene codes of images, differentiable.

        Args:
            images: ``(B, 3, H, W)`` float 0..1; resized to the model's size if they differ.

        Returns:
            ``(B, 3, C, S, S)``.
        """
        size = self.cfg.cond_image_size
        if images.shape[-2:] != (size, size):
            images = F.interpolate(
                images, (size, size), mode="bilinear", align_corners=False, antialias=True
            )
        return self._encode(images, self.backbone.initial_state(self.tokenizer()))

    def _initial_state(self, dtype: torch.dtype) -> Tensor:
        """The backbone's initial state, cached between calls while the weights do not change.

        It is the same for all images, and a fiftieth of the work for one.
        """
        parts = [*self.tokenizer.parameters(), *self.backbone.initial_parameters()]
        if self.training or any(p.is_inference() for p in parts):
            return self.backbone.initial_state(self.tokenizer())
        key = (dtype, *((p.data_ptr(), p._version) for p in parts))
        cached = self._initial  # read once: other threads may replace it
        if cached is None or cached[0] != key:
            cached = self._initial = key, self.backbone.initial_state(self.tokenizer())
        return cached[1]

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation, and empty the cache of the initial state."""
        self._initial = None
        return super().train(mode)

    def _encode(self, images: Tensor, initial: Tensor, chunk: int = 0) -> Tensor:
        parts = torch.split(images, chunk or len(images))
        image_tokens = torch.cat([self.image_tokenizer(part) for part in parts])
        tokens = self.backbone(self.tokenizer(), initial, image_tokens, chunk)
        codes: Tensor = self.post_processor(self.tokenizer.detokenize(tokens))
        return codes

    def decode_points(self, codes: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """The raw field at points, differentiable, without chunks.

        Args:
            codes: ``(B, 3, C, S, S)``.
            points: ``(B, N, 3)`` in -radius..radius.

        Returns:
            Density ``(B, N)`` and colour ``(B, N, 3)`` before their activations.
        """
        out = self.renderer.query_raw(self.decoder, points, codes)
        return out["density"][..., 0], out["features"]

    def forward(
        self,
        image: ImageLike | Sequence[ImageLike],
        device: str | torch.device | None = None,
        *,
        precision: Precision = "auto",
        max_batch: int = MAX_BATCH,
        on_progress: Callable[[int], None] | None = None,
    ) -> Tensor:
        """Scene codes of one image or several, without gradients.

        Args:
            image: PIL image, array or tensor ``(H, W, 3)``, batch ``(B, H, W, 3)``, or a sequence
                of single images of any sizes.
            device: Where to compute; the model must be there. Default: where the model is.
            precision: The number format of the layers; "auto" is bfloat16 for large networks where
                the device is faster in it, else float32.
            max_batch: Images that are encoded at once, at most: it bounds the memory. Half of it
                is tried where it does not fit. On CPUs the images of a batch go through each layer
                of a large network one by one.
            on_progress: Called after each batch with the number of images encoded so far.

        Returns:
            ``(B, 3, C, S, S)`` float32.

        Raises:
            OutOfMemoryError: Half of ``max_batch`` does not fit either.
        """
        target = torch.device(device) if device is not None else self.tokenizer.embeddings.device
        images = self.prepare(image)
        parameters = sum(p.numel() for p in self.parameters())
        dtype = choose_dtype(precision, target, parameters)
        # one image of a large network keeps a CPU busy; more at once only leave its caches
        chunk = 1 if target.type == "cpu" and parameters >= LARGE_NETWORK else 0

        def encode(batch: int) -> Tensor:
            codes, done = [], 0
            half = dtype != torch.float32
            cache = target.type != "cpu"
            with torch.autocast(target.type, dtype, enabled=half, cache_enabled=cache):
                initial = self._initial_state(dtype)
                for part in torch.split(images, batch):
                    codes.append(self._encode(part.to(target), initial, chunk).float())
                    done += len(part)
                    if on_progress is not None:
                        on_progress(done)
            return torch.cat(codes)

        with torch.inference_mode():
            encoded = halve_once(encode, max(min(max_batch, len(images)), 1), "images")
        return encoded.clone()  # a normal tensor: autograd refuses inference tensors

    def prepare(self, image: ImageLike | Sequence[ImageLike]) -> Tensor:
        """Convert and resize images as :meth:`forward` takes them.

        Returns:
            ``(B, 3, size, size)`` float 0..1.

        Raises:
            TSRError: There is no image, or one has another shape or number format.
        """
        items = list(image) if isinstance(image, list | tuple) else [image]
        if not items:
            raise TSRError("no image given")
        size = (self.cfg.cond_image_size, self.cfg.cond_image_size)
        return torch.cat(
            [
                F.interpolate(
                    _to_tensor(item), size, mode="bilinear", align_corners=False, antialias=True
                )
                for item in items
            ]
        )

    def extract_mesh(
        self,
        scene_codes: Tensor,
        has_vertex_color: bool = True,
        resolution: int = 256,
        threshold: float = SURFACE_DENSITY,
        options: ExtractOptions | None = None,
    ) -> list[trimesh.Trimesh]:
        """Meshes of scene codes.

        Args:
            scene_codes: ``(B, 3, C, S, S)``.
            has_vertex_color: Whether to query the vertices' colours.
            resolution: Grid points per axis.
            threshold: Density of the surface.
            options: The way to extract. :data:`tsr.surface.extract.PARITY` is what the published
                implementation does; it is the default on grids of up to 64 points an axis, where
                it costs nothing. On larger ones the default is much faster and smoother.
        """
        import trimesh

        if options is None and resolution <= _SMALL_GRID:
            options = PARITY
        meshes = []
        for code in scene_codes:
            surface = extract_surface_of_code(self, code, resolution, threshold, options)
            rgb = colours(self, code, surface.vertices) if has_vertex_color else None
            mesh = trimesh.Trimesh(
                vertices=surface.vertices.cpu().numpy(),
                faces=surface.faces.cpu().numpy(),
                vertex_colors=None if rgb is None else rgb.cpu().numpy(),
                process=False,
            )
            mesh.metadata["warnings"] = list(surface.warnings)
            meshes.append(mesh)
        return meshes

    @torch.no_grad()
    def render(
        self,
        scene_codes: Tensor,
        n_views: int,
        elevation_deg: float = 0.0,
        camera_distance: float = 1.9,
        fovy_deg: float = 40.0,
        height: int = 256,
        width: int = 256,
        return_type: Literal["pil", "np", "pt"] = "pil",
        *,
        like_reference: bool = True,
    ) -> list[list[Any]]:
        """Views of scene codes from cameras evenly around the z axis, on white.

        With exactly three views the reference's cameras lose their axes (its cross product runs
        over the views) and every pixel shows the central ray. Parity keeps that, with a warning in
        the log; ``like_reference=False`` renders three proper views.

        Args:
            scene_codes: ``(B, 3, C, S, S)``.
            n_views: Cameras; the first is on +x.
            elevation_deg: The cameras' elevation above the xy plane, degrees.
            camera_distance: Their distance from the origin, in the field's units.
            fovy_deg: Vertical field of view, degrees.
            height: Height of the images, pixels.
            width: Width of the images, pixels.
            return_type: "pil" for PIL images, "np" or "pt" for arrays or tensors
                ``(height, width, 3)`` in 0..1.
            like_reference: Whether to keep the reference's behaviour with exactly three views.

        Returns:
            For each scene code the list of its views.
        """
        if return_type not in ("pil", "np", "pt"):
            raise TSRError(f"return_type must be 'pil', 'np' or 'pt', not {return_type!r}")
        origins, directions = spherical_rays(
            n_views, elevation_deg, camera_distance, fovy_deg, height, width
        )
        if n_views == 3 and like_reference:
            _log.warning(
                "three views as the reference renders them show the central ray only; "
                "pass like_reference=False for proper ones"
            )
            directions = -F.normalize(origins, dim=-1)
        views = []
        for code in scene_codes:
            views.append(
                [
                    _as_image(
                        render_rays(
                            self.renderer, self.decoder, code, o.to(code.device), d.to(code.device)
                        ),
                        return_type,
                    )
                    for o, d in zip(origins, directions, strict=True)
                ]
            )
        return views


def _as_image(image: Tensor, kind: str) -> Any:
    if kind == "pt":
        return image
    pixels = image.cpu().numpy()
    if kind == "np":
        return pixels
    from PIL import Image

    return Image.fromarray((pixels * 255.0).astype(np.uint8))


def _to_tensor(image: Any) -> Tensor:
    """One image or a batch of equal sizes to ``(B, 3, H, W)`` float 0..1."""
    tensor = image if isinstance(image, Tensor) else torch.from_numpy(np.array(image))
    if tensor.dtype == torch.uint8:
        tensor = tensor.float() / 255.0
    elif not tensor.is_floating_point():
        raise TSRError(f"images must be uint8 or float 0..1, not {tensor.dtype}")
    if tensor.ndim == 3:
        tensor = tensor[None]
    if tensor.ndim != 4 or tensor.shape[-1] != 3:
        raise TSRError(f"images must be (H, W, 3) or (B, H, W, 3), not {tuple(tensor.shape)}")
    return tensor.float().permute(0, 3, 1, 2)
