"""The API document and Swagger UI from our own files: no CDN, no inline script, no request to anybody else."""

import json
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler

_HERE: Final = Path(__file__).parent
_ASSETS: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "start.js": "text/javascript",
}
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)  # inline styles: Swagger UI sets style attributes; a style cannot run anything


def add(app: web.Application, prefix: str, document: dict[str, Any]) -> None:
    """Serve <prefix>/openapi.json and <prefix>/docs. Both are public: they say what exists, not what is stored."""
    text = json.dumps(document, ensure_ascii=False).encode()
    app.router.add_get(f"{prefix}/openapi.json", _constant(text, "application/json"))
    app.router.add_get(f"{prefix}/docs", _constant((_HERE / "index.html").read_bytes(), "text/html", _PAGE_POLICY))
    for name, content_type in _ASSETS.items():
        app.router.add_get(f"{prefix}/docs/{name}", _constant((_HERE / name).read_bytes(), content_type))


def _constant(body: bytes, content_type: str, policy: str = "") -> Handler:
    headers = {"Cache-Control": "max-age=3600"} | ({"Content-Security-Policy": policy} if policy else {})

    async def serve(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

    return serve
