"""Scene codes: what the reconstruction network makes of the chosen frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.geometry.crop import CodedFrame, Crop
from tasks.storage.artifacts import Artifact

if TYPE_CHECKING:
    import torch

_FILE = "codes.safetensors"


@dataclass(frozen=True)
class SceneCodes:
    """The scene codes of the chosen frames.

    Args:
        frames: ``N`` frames with the crops that the network saw.
        codes: ``(N, 3, C, H, W)`` float16.
    """

    frames: Sequence[CodedFrame]
    codes: torch.Tensor

    @classmethod
    def read(cls, artifact: Artifact) -> SceneCodes:
        """The codes that an artifact holds, on the CPU."""
        from safetensors.torch import load_file

        entries = artifact.record["frames"]
        frames = tuple(CodedFrame(e["index"], Crop(**e["crop"])) for e in entries)
        return cls(frames, load_file(str(artifact.folder / _FILE))["codes"])

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the codes into a folder; returns what the artifact's record says of them."""
        from safetensors.torch import save_file

        save_file({"codes": self.codes.contiguous()}, str(folder / _FILE))
        return {"frames": [asdict(f) for f in self.frames], "shape": list(self.codes.shape)}
