"""All stages, in their order."""

from tasks.stages.estimate_poses import ESTIMATE_POSES
from tasks.stages.export_glb import EXPORT
from tasks.stages.extract_frames import EXTRACT
from tasks.stages.infer_codes import INFER
from tasks.stages.inspect_frames import INSPECT
from tasks.stages.judge_mesh import JUDGE
from tasks.stages.make_report import REPORT
from tasks.stages.merge_fields import MERGE
from tasks.stages.rectify_views import RECTIFY
from tasks.stages.remove_backgrounds import REMOVE_BACKGROUNDS
from tasks.stages.select_frames import SELECT
from tasks.stages.unroll_atlas import ATLAS

PIPELINE = (
    EXTRACT,
    INSPECT,
    REMOVE_BACKGROUNDS,
    ESTIMATE_POSES,
    RECTIFY,
    SELECT,
    INFER,
    MERGE,
    JUDGE,
    ATLAS,
    EXPORT,
    REPORT,
)
