"""All stages of a reconstruction, in their order: those of the modules in ``tasks/stages``."""

from importlib import import_module
from pkgutil import iter_modules

import tasks.stages
from configs.stages import StageName
from tasks.stages.stage import Stage

_MODULES = [
    import_module(f"tasks.stages.{each.name}") for each in iter_modules(tasks.stages.__path__)
]
_FOUND = [
    value for module in _MODULES for value in vars(module).values() if isinstance(value, Stage)
]
PIPELINE = tuple(stage for name in StageName for stage in _FOUND if stage.name == name)
