"""Run the service: ``python -m deployments.api``."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import uvicorn
from pydantic import ValidationError
from pydantic_settings.exceptions import SettingsError
from uvicorn.config import LOGGING_CONFIG

from configs.settings import Settings
from deployments.api.app import create_app
from deployments.api.settings import ApiSettings
from deployments.api.timeouts import InTime
from flows.support.logs import log_json
from flows.support.own_server import ask_loopback_directly, use_own_password
from flows.support.settings import unknown_variables

_END_WITHIN_S = 5
"""For answers that are being sent when the service is stopped; streams of events have no end."""


class NoSockets(logging.Filter):
    """Drops the server's lines on WebSockets: they hold queries, in which pages put secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is of something else."""
        message = str(record.msg)
        return '"WebSocket ' not in message and not message.startswith("connection ")


def main() -> int:
    """Serve until the process is stopped."""
    ask_loopback_directly()
    use_own_password()
    try:
        settings, as_json = ApiSettings(), Settings().log_json
    except ValidationError as exc:
        errors = ((".".join(str(p) for p in e["loc"]), e["msg"]) for e in exc.errors())
        lines = "".join(f"  {name}: {message}\n" for name, message in errors)
        sys.stderr.write(f"tyre3d-api: settings (TYRE3D_...) cannot be used:\n{lines}")
        return 2
    except SettingsError as exc:  # a list that is no JSON, as where a shell took the quotes
        sys.stderr.write(f'tyre3d-api: {exc}: lists are JSON, such as ["/srv/tyre3d/incoming"]\n')
        return 2
    roots = [*settings.input_roots, *settings.output_roots]
    if missing := [str(root) for root in roots if isinstance(root, Path) and not root.is_dir()]:
        sys.stderr.write(f"tyre3d-api: these roots are no folders: {', '.join(missing)}\n")
        return 2
    try:
        app = create_app(settings)
    except (OSError, ValueError) as exc:
        sys.stderr.write(f"tyre3d-api: the file of tokens cannot be used: {exc}\n")
        return 2
    if as_json:
        log_json()
    for line in unknown_variables(os.environ, ApiSettings):
        logging.getLogger("tyre3d").warning("%s", line)
    logging.getLogger("uvicorn.error").addFilter(NoSockets())
    uvicorn.run(
        app,
        log_config=None if as_json else LOGGING_CONFIG,
        host=settings.host,
        port=settings.port,
        server_header=False,
        access_log=False,
        http=InTime,
        timeout_graceful_shutdown=_END_WITHIN_S,
        limit_concurrency=settings.max_connections,
        ws_max_size=settings.max_body_bytes,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
