"""The one shape of all that the service refuses: code, message, and the request's id."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection

from configs.locations import printable

REQUEST_ID = "X-Request-Id"
_log = logging.getLogger("tyre3d.api")
_MAX_MESSAGE = 2000
LEFT = "The body ended before its end"
_CODES = {400: "bad-request", 404: "not-found", 405: "method-not-allowed"}


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    message: str


class Refusal(BaseModel):
    """Why a request was refused."""

    code: str = Field(description="stable")
    message: str = Field(description="what was wrong and what to do")
    request_id: str = Field("", description="to be found in the service's log")
    fields: list[FieldError] = Field([], description="of a request that is not valid")


class ApiError(Exception):
    """A request that is refused or cannot be served.

    Args:
        status: The status code of the HTTP answer.
        code: A stable name of the error.
        message: What was wrong.
        retry_after_s: When another try may succeed, where that is known.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
        self.headers = dict(headers or {})


def refusal(request: Request, error: ApiError, fields: Sequence[FieldError] = ()) -> JSONResponse:
    """The answer that an error is to its request."""
    headers = dict(error.headers)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    return JSONResponse(in_words(request, error, fields).model_dump(), error.status, headers)


def in_words(
    request: HTTPConnection, error: ApiError, fields: Sequence[FieldError] = ()
) -> Refusal:
    """What whoever asked is told of an error."""
    return Refusal(
        code=error.code,
        message=speakable(error.message),
        request_id=request_id(request),
        fields=list(fields),
    )


def request_id(request: HTTPConnection) -> str:
    """The id that the request was given."""
    return str(getattr(request.state, "request_id", ""))


def speakable(text: str) -> str:
    """A text that every encoder takes and no terminal obeys: what is unprintable is written out."""
    return printable(text)[:_MAX_MESSAGE]


def add_handlers(app: FastAPI) -> None:
    """Have an application answer all errors in one shape, without repeating what was sent."""

    @app.exception_handler(ApiError)
    async def refused(request: Request, error: ApiError) -> JSONResponse:
        return refusal(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        fields = [_field(each) for each in error.errors()]
        message = "; ".join(f"{f.field}: {f.message}" if f.field else f.message for f in fields)
        return refusal(request, ApiError(422, "invalid", message), fields)

    @app.exception_handler(HTTPException)
    async def refused_by_framework(request: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, f"http-{error.status_code}")
        return refusal(request, ApiError(error.status_code, code, str(error.detail)))

    @app.exception_handler(ClientDisconnect)
    async def left(request: Request, error: ClientDisconnect) -> JSONResponse:
        return refusal(request, ApiError(400, "bad-request", LEFT))  # which nobody hears

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        number, kind = request_id(request), type(error).__name__
        _log.error("request %s: %s", number, kind, exc_info=error, extra={"request": number})
        message = "This is a fault of the service; its log tells more under the request's id"
        return refusal(request, ApiError(500, "internal", message))


def _field(error: dict[str, Any]) -> FieldError:
    where = [str(part) for part in error["loc"] if part not in ("body", "query", "path", "header")]
    message = str(error["msg"]).removeprefix("Value error, ")  # which pydantic puts before ours
    return FieldError(field=speakable(".".join(where)), message=speakable(message))
