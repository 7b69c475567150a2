"""The published model on the Hugging Face hub: its pin, and the only way files come from there.

Importing this costs nothing: the hub's client is loaded by the first download.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tsr.errors import DigestError, DownloadError

CONFIG_NAME = "config.yaml"


@dataclass(frozen=True)
class PinnedModel:
    """A model on the hub at a fixed revision.

    Args:
        hub_id: Its owner and name on the hub.
        revision: The commit, 40 hexadecimal digits.
        weight_name: The file of its weights.
        sha256: The digest of that file, hexadecimal.
    """

    hub_id: str
    revision: str
    weight_name: str
    sha256: str


TRIPOSR = PinnedModel(
    hub_id="stabilityai/TripoSR",
    revision="c1cf7716aed5aa6c1c5e174657791ef0e1327bde",
    weight_name="model.ckpt",
    sha256="429e2c6b22a0923967459de24d67f05962b235f79cde6b032aa7ed2ffcd970ee",
)


def fetch(hub_id: str, filename: str, pin: PinnedModel | None = None) -> Path:
    """A file of a model in the hub's local cache, downloaded if it is not there.

    A pinned model is fetched at its revision and its weights are checked; others are fetched as
    they are. The hub's client honours ``HF_HOME`` and ``HF_HUB_OFFLINE``.

    Args:
        hub_id: Owner and name of the model.
        filename: The file in the model's repository.
        pin: The model's pin; None is :data:`TRIPOSR` for that model, and no pin for others.

    Raises:
        DownloadError: The hub cannot be reached, has no such file, or the file cannot be written;
            the cause says which.
        DigestError: The weights are not the published ones.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if pin is None and hub_id == TRIPOSR.hub_id:
        pin = TRIPOSR
    # the base of all errors of the hub's client, which is another library in each major version
    client_error = cast(type[Exception], HfHubHTTPError.__bases__[0])
    try:
        path = Path(hf_hub_download(hub_id, filename, revision=pin.revision if pin else None))
    except (HFValidationError, client_error, OSError) as exc:
        raise DownloadError(
            f"{filename} of {hub_id!r} cannot be fetched from the model hub: {exc}"
        ) from exc
    if pin is not None and filename == pin.weight_name:
        check_digest(path, pin.sha256)
    return path


def check_digest(path: Path, sha256: str) -> None:
    """Raise unless a file has the expected digest.

    Raises:
        DigestError: It has another.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise DigestError(
            f"{path}: sha256 is {digest}, expected {sha256}; delete the file and fetch it again"
        )
