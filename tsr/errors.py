"""What can go wrong in `tsr`.

TSRError (ValueError)
├── ConfigError       config.yaml: unknown key, wrong value, a class we do not know
├── WeightsError      weights: missing or unreadable file, names or shapes that do not fit
│   ├── DownloadError     a file cannot be fetched from the model hub
│   └── DigestError       the published model's weights have another digest
└── OutOfMemoryError  the device is full even with half the chunk
"""

from __future__ import annotations


class TSRError(ValueError):
    """Base of this package's errors."""


class ConfigError(TSRError):
    """The configuration of a model is wrong."""


class WeightsError(TSRError):
    """The weights of a model are missing or do not fit its configuration."""


class DownloadError(WeightsError):
    """A file of a model cannot be fetched."""


class DigestError(WeightsError):
    """A file of weights is damaged or not the published one."""


class OutOfMemoryError(TSRError):
    """The device ran out of memory, also with half the chunk."""
