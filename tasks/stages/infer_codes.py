"""Stage *infer*: a scene code for every chosen frame."""

from __future__ import annotations

from configs.stages import InferConfig, StageName
from tasks.network.weights import ChosenModel
from tasks.stages.stage import Record, Stage, Workspace
from tasks.storage.artifacts import ArtifactRef


def _produce(
    work: Workspace,
    config: InferConfig,
    *,
    frames: ArtifactRef,
    masks: ArtifactRef,
    selection: ArtifactRef,
    model: ChosenModel,
) -> Record:
    """Run the reconstruction network on the chosen frames."""
    from tasks.geometry.crop import CodedFrame
    from tasks.imaging.images import read_image, read_mask
    from tasks.matting.quality import Masks
    from tasks.network.codes import SceneCodes
    from tasks.network.inference import cut_out, infer_codes
    from tasks.network.load import load_model
    from tasks.selection.choose import Selection
    from tasks.video.frames import Frames

    candidates, judged = Frames.read(work.open(frames)), Masks.read(work.open(masks))
    alphas = judged.paths()
    crops = {m.index: m.crop for m in judged.usable if m.crop is not None}
    network = load_model(model.folder, model.weight_name, model.digest, work.device)
    coded = [CodedFrame(i, crops[i]) for i in Selection.read(work.open(selection)).chosen]
    images = [
        cut_out(
            read_image(candidates.path(frame.index)),
            read_mask(alphas[frame.index]),
            frame.crop,
            network.cfg.cond_image_size,
        )
        for frame in coded
    ]
    codes = SceneCodes(coded, infer_codes(network, images, work.device, config))
    return {**codes.write(work.folder), "model": model.name, "digest": model.digest}


INFER = Stage(StageName.INFER, _produce)
