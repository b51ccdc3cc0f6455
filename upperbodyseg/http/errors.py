"""Every error as JSON: ``{"error": message}``."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from upperbodyseg.errors import InputError, ModelError
from upperbodyseg.http.limits import RefusedError

__all__ = ["HANDLERS", "error_response"]


def error_response(status: int, message: str, retry_after: int | None = None) -> JSONResponse:
    """The answer to a request that failed."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return JSONResponse({"error": message}, status, headers)


async def _refusal(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RefusedError)
    return error_response(exc.status, str(exc), exc.retry_after)


async def _input_error(_request: Request, exc: Exception) -> Response:
    return error_response(400, str(exc))


async def _model_error(_request: Request, exc: Exception) -> Response:
    return error_response(500, str(exc))


async def _http_error(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    return JSONResponse({"error": exc.detail}, exc.status_code, exc.headers)


async def _other(_request: Request, _exc: Exception) -> Response:
    return error_response(500, "the server failed; its log says why")


HANDLERS: dict[Any, Callable[[Request, Exception], Coroutine[Any, Any, Response]]] = {
    HTTPException: _http_error,
    InputError: _input_error,
    ModelError: _model_error,
    RefusedError: _refusal,
    Exception: _other,
}
"""For an application's ``exception_handlers``."""
