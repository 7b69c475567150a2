"""Run the service: ``python -m deployments.api``."""

from __future__ import annotations

import sys

import uvicorn
from pydantic import ValidationError

from deployments.api.app import create_app
from deployments.api.settings import ApiSettings
from flows.support.own_server import ask_loopback_directly, use_own_password


def main() -> int:
    """Serve until the process is stopped."""
    ask_loopback_directly()
    use_own_password()
    try:
        settings = ApiSettings()
    except ValidationError as exc:
        errors = ((".".join(str(p) for p in e["loc"]), e["msg"]) for e in exc.errors())
        lines = "".join(f"  {name}: {message}\n" for name, message in errors)
        sys.stderr.write(f"tyre3d-api: settings (TYRE3D_API_...) cannot be used:\n{lines}")
        return 2
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, server_header=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
