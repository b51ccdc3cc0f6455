"""The service's description in OpenAPI 3.1; a test holds it to the routes."""

from __future__ import annotations

from typing import Any

from upperbodyseg import __version__
from upperbodyseg.engine import DEFAULT_BLUR_SIGMA
from upperbodyseg.models.spec import MODELS
from upperbodyseg.postprocess.mask import MAX_BLUR_SIGMA
from upperbodyseg.serve.rembg_api import FOREIGN_MODELS
from upperbodyseg.types import PEOPLE

__all__ = ["description"]

_BINARY = {"type": "string", "format": "binary"}
_ERRORS = {
    "400": "A value or the form can't be used.",
    "401": "The token is missing or wrong.",
    "403": "That host or web site may not ask.",
    "408": "The picture did not arrive in time.",
    "413": "The picture has too many bytes or pixels.",
    "415": "That is no picture in a format that is read, or it is damaged.",
    "500": "The service failed.",
    "503": "Too many connections or pictures, or the work took too long. See Retry-After.",
}


def description(*, with_token: bool) -> dict[str, Any]:
    """The document that ``/openapi.json`` answers.

    Args:
        with_token: whether requests must bring a token.
    """
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "upperbodyseg",
            "version": __version__,
            "description": "Cut people out of pictures, on the CPU. Frames go over the WebSocket /v1/stream.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/api/remove": {"post": _remove(), "get": _remove_url()},
            "/v1/mask": {
                "post": _v1("mask", "The mask: 255 person, 0 background, between them a soft edge.")
            },
            "/v1/cutout": {"post": _v1("cutout", "The people, with the mask as alpha.")},
            "/v1/background": {"post": _v1("background", "The people before another background.")},
            "/v1/stream": {"get": _stream()},
            "/healthz": {"get": _plain("healthz", "The process answers.")},
            "/readyz": {"get": _plain("readyz", "Pictures are taken now.")},
            "/metrics": {
                "get": _plain("metrics", "Counts and times, in Prometheus' text format.", text_body=True)
            },
            "/openapi.json": {"get": _plain("openapi", "This document.")},
        },
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"type": "string"}},
                },
                "Result": _result_schema(),
            }
        },
    }
    if with_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        for path in ("/healthz", "/readyz"):
            document["paths"][path]["get"]["security"] = []
    return document


def _result_schema() -> dict[str, Any]:
    person = {
        "type": "object",
        "required": ["box", "score", "id"],
        "properties": {
            "box": {
                "description": "x_min, y_min, x_max, y_max in pixels, half-open.",
                "type": "array",
                "items": {"type": "number"},
                "minItems": 4,
                "maxItems": 4,
            },
            "score": {"type": "number", "minimum": 0, "maximum": 1},
            "id": {"type": "integer", "description": "The person's number."},
        },
    }
    properties: dict[str, Any] = {
        "width": {"type": "integer"},
        "height": {"type": "integer"},
        "persons": {"type": "array", "items": person},
        "confidence": {
            "description": "How good the mask is likely to be.",
            "type": "number",
            "minimum": 0,
            "maximum": 1,
        },
        "damaged": {"type": "boolean", "description": "A part of the picture is missing."},
        "timings_ms": {"type": "object", "additionalProperties": {"type": "number"}},
        "media_type": {"type": "string", "const": "image/png"},
        "image": {"type": "string", "contentEncoding": "base64"},
    }
    return {"type": "object", "required": list(properties), "properties": properties}


def _error(text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _query(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}


def _picture_headers() -> dict[str, Any]:
    return {
        "upperbodyseg-persons": {"schema": {"type": "integer"}, "description": "People in the picture."},
        "upperbodyseg-damaged": {"schema": {"type": "integer"}, "description": "1 if a part is missing."},
        "server-timing": {"schema": {"type": "string"}, "description": "Milliseconds a stage."},
    }


def _v1(effect: str, text: str) -> dict[str, Any]:
    parameters = [
        _query("model", {"enum": list(MODELS)}, "Which model; by default the service's own."),
        _query(
            "people", {"enum": list(PEOPLE)}, "'main' keeps the main person and whoever is close to them."
        ),
        _query(
            "blur_sigma",
            {"type": "number", "minimum": 0, "maximum": MAX_BLUR_SIGMA, "default": DEFAULT_BLUR_SIGMA},
            "Blur of the mask, in pixels.",
        ),
    ]
    form: dict[str, Any] = {"file": _BINARY}
    if effect == "background":
        named = "'blur', 'portrait' or a colour such as '#00ff00'."
        parameters.append(_query("background", {"type": "string"}, named))
        form["background"] = {**_BINARY, "description": f"A picture, or {named}"}
    kinds = ["image/png", "image/webp"] + (["image/jpeg"] if effect != "cutout" else [])
    content: dict[str, Any] = {kind: {"schema": _BINARY} for kind in kinds}
    content["application/json"] = {"schema": {"$ref": "#/components/schemas/Result"}}
    errors = {**_ERRORS, "406": "No media type that can be answered is accepted."}
    return {
        "operationId": effect,
        "summary": text,
        "parameters": parameters,
        "requestBody": {
            "required": True,
            "content": {
                "image/*": {"schema": _BINARY},
                "application/octet-stream": {"schema": _BINARY},
                "multipart/form-data": {
                    "schema": {"type": "object", "required": ["file"], "properties": form}
                },
            },
        },
        "responses": {
            "200": {"description": text, "headers": _picture_headers(), "content": content},
            **{status: _error(reason) for status, reason in errors.items()},
        },
    }


def _remove() -> dict[str, Any]:
    switch, byte = {"type": "boolean", "default": False}, {"type": "integer", "minimum": 0, "maximum": 255}
    fields: dict[str, tuple[dict[str, Any], str]] = {
        "model": (
            {"enum": [*MODELS, *sorted(FOREIGN_MODELS)]},
            "A model's name, ours or of rembg; the latter mean the service's own.",
        ),
        "om": (switch, "The mask alone."),
        "ppm": (switch, "A mask without soft edges."),
        "bgc": ({"type": "string"}, "A colour to lay below, as red,green,blue or red,green,blue,alpha."),
        "a": (switch, "Checked, without effect."),
        "af": (byte, "Checked, without effect."),
        "ab": (byte, "Checked, without effect."),
        "ae": ({"type": "integer", "minimum": 0}, "Checked, without effect."),
        "dc": (switch, "Checked, without effect."),
        "vm": (switch, "Checked, without effect."),
        "extras": ({"type": "string"}, "Ignored."),
    }
    form = {
        "file": _BINARY,
        **{name: {**schema, "description": text} for name, (schema, text) in fields.items()},
    }
    errors = {**_ERRORS, "422": "The form has no picture, or a value can't be used."}
    return {
        "operationId": "remove",
        "summary": "The people cut out, as rembg's server answers it.",
        "parameters": [_query(name, schema, text) for name, (schema, text) in fields.items()],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {"type": "object", "required": ["file"], "properties": form}
                }
            },
        },
        "responses": {
            "200": {
                "description": "A PNG.",
                "headers": _picture_headers(),
                "content": {"image/png": {"schema": _BINARY}},
            },
            **{status: _error(reason) for status, reason in errors.items()},
        },
    }


def _remove_url() -> dict[str, Any]:
    return {
        "operationId": "removeUrl",
        "summary": "Always refused: the service fetches nothing.",
        "parameters": [_query("url", {"type": "string"}, "Ignored.")],
        "responses": {"401": _error(_ERRORS["401"]), "403": _error("The service fetches nothing.")},
    }


def _stream() -> dict[str, Any]:
    return {
        "operationId": "stream",
        "summary": "Frames of a camera, over a WebSocket.",
        "responses": {
            "101": {"description": "A WebSocket."},
            **{status: _error(_ERRORS[status]) for status in ("401", "403", "503")},
            "426": _error("The request asks for no WebSocket."),
        },
    }


def _plain(operation: str, text: str, *, text_body: bool = False) -> dict[str, Any]:
    kind = "text/plain" if text_body else "application/json"
    schema = {"type": "string"} if text_body else {"type": "object"}
    return {
        "operationId": operation,
        "summary": text,
        "responses": {
            "200": {"description": text, "content": {kind: {"schema": schema}}},
            **{status: _error(_ERRORS[status]) for status in ("401", "403", "503")},
        },
    }
