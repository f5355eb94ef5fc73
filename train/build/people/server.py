"""The web application of the page: items, pictures, choices. It keeps no state but the queue."""

import hmac
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from ..candidates.preview import PREVIEW
from ..config import BuildConfig
from ..stages import CANDIDATES, TALKS
from ..state import State
from .agreement import agreement
from .choices import NONE, Choice, Choices, MendedTalk
from .decisions import Item, items
from .queue import Queue

PAGE = files(__package__) / "page"
COOKIE = "lgvi_token"
_PICTURES = {"source.jpg", "outline.png"}
_LONGEST = 1000  # characters of a sentence or a turn
_CACHED = {"Cache-Control": "private, max-age=86400"}


class NewChoice(BaseModel):
    """What the page sends when a person chooses."""

    item: str
    revision: str
    annotator: str = Field(min_length=1, max_length=60, pattern=r"\S")
    choice: str
    expressions: list[Annotated[str, Field(max_length=_LONGEST)]] = Field(max_length=50)


class NewTalk(BaseModel):
    """What the page sends when a person has read a conversation."""

    item: str
    revision: str
    annotator: str = Field(min_length=1, max_length=60, pattern=r"\S")
    verdict: str = Field(pattern="^(keep|drop)$")
    request: str = Field(max_length=_LONGEST)
    reply: str = Field(max_length=_LONGEST)


class Undo(BaseModel):
    """What the page sends to take the last choice back."""

    annotator: str = Field(min_length=1, max_length=60)


def make_app(config: BuildConfig, token: str | None = None) -> FastAPI:
    """The application for a state; with a `token`, nothing is shown to those who do not have it."""
    state = State(config.state)
    choices = Choices(config.state)
    queue = Queue(items(config), choices.standing(), config.selection.annotators)
    app = FastAPI(title="LGVI selection", docs_url=None, redoc_url=None, openapi_url=None)

    def allowed(request: Request) -> None:
        if token is None:
            return
        given = request.query_params.get("token") or request.cookies.get(COOKIE) or ""
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise HTTPException(401, "open the address with ?token=...")

    guard = [Depends(allowed)]

    @app.get("/", dependencies=guard)
    def page() -> Response:
        answer = Response((PAGE / "index.html").read_text(encoding="utf-8"), media_type="text/html")
        if token is not None:
            answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return answer

    @app.get("/page/{name}", dependencies=guard)
    def part(name: str) -> Response:
        kinds = {
            "app.js": "text/javascript",
            "style.css": "text/css",
            "texts.json": "application/json",
        }
        kinds |= {"talks.js": "text/javascript", "player.js": "text/javascript"}
        if name not in kinds:
            raise HTTPException(404)
        return Response((PAGE / name).read_text(encoding="utf-8"), media_type=kinds[name])

    @app.get("/api/next", dependencies=guard)
    def following(annotator: str, after: str | None = None) -> dict[str, Any]:
        item = queue.next(annotator, after)
        told = None if item is None else _shown(item)
        return {"item": told, "progress": queue.progress(annotator)}

    @app.post("/api/choices", dependencies=guard)
    def choose(new: NewChoice) -> dict[str, Any]:
        item = _known(queue, new.item, new.revision)
        known = [str(c["grow"]) for c in item.object["candidates"]]
        if new.choice not in (*known, NONE):
            raise HTTPException(422, f"choice is one of {', '.join(known)} or {NONE}")
        words = tuple(text for text in (" ".join(e.split()) for e in new.expressions) if text)
        if not words:
            raise HTTPException(422, "an object needs a sentence")
        choice = Choice(new.item, new.revision, new.annotator.strip(), new.choice, words)
        number = choices.add(choice)
        queue.take(choice)
        return {"number": number, "progress": queue.progress(choice.annotator)}

    @app.post("/api/undo", dependencies=guard)
    def undo(asked: Undo) -> dict[str, Any]:
        name = choices.undo(asked.annotator)
        item = None if name is None else queue.items.get(name)
        if name is not None:
            queue.give_back(asked.annotator, name)
        told = None if item is None else _shown(item)
        return {"item": told, "progress": queue.progress(asked.annotator)}

    @app.get("/api/agreement", dependencies=guard)
    def agreed() -> dict[str, Any]:
        found = agreement(choices.standing())
        return {"text": str(found), "kind": found.kind, "value": found.value, "items": found.items}

    @app.get("/api/picture/{key}/{identity}/{name}", dependencies=guard)
    def picture(key: str, identity: int, name: str) -> FileResponse:
        item = queue.items.get(f"{key}/{identity}")
        known = () if item is None else {f"{c['grow']}.jpg" for c in item.object["candidates"]}
        if name not in _PICTURES and name not in known:
            raise HTTPException(404)
        path = state.folder(CANDIDATES, key) / str(identity) / PREVIEW / name
        if item is None or not path.is_file():
            raise HTTPException(404)
        return FileResponse(path, headers=_CACHED)

    @app.get("/api/talks/next", dependencies=guard)
    def talk(after: str | None = None) -> dict[str, Any]:
        return _next_talk(state, queue, choices, after)

    @app.post("/api/talks", dependencies=guard)
    def mend(new: NewTalk) -> dict[str, bool]:
        choices.mend_talk(
            MendedTalk(
                new.item,
                new.revision,
                new.annotator.strip(),
                new.verdict,
                " ".join(new.request.split()),
                " ".join(new.reply.split()),
            )
        )
        return {"done": True}

    return app


def _known(queue: Queue, name: str, revision: str) -> Item:
    item = queue.items.get(name)
    if item is None:
        raise HTTPException(404, "there is no such item")
    if item.revision != revision:
        raise HTTPException(409, "its candidates were made anew; reload the page")
    return item


def _shown(item: Item) -> dict[str, Any]:
    """What the page needs of an item."""
    place = f"/api/picture/{item.key}/{item.object['id']}"
    version = f"?v={item.revision}"
    return {
        "item": item.name,
        "revision": item.revision,
        "expressions": item.object["expressions"],
        "category": item.object["category"],
        "preview": item.object["preview"],
        "source": f"{place}/source.jpg{version}",
        "outline": f"{place}/outline.png{version}",
        "candidates": [
            {**c, "picture": f"{place}/{c['grow']}.jpg{version}"} for c in item.object["candidates"]
        ],
    }


def _next_talk(state: State, queue: Queue, choices: Choices, after: str | None) -> dict[str, Any]:
    """The next conversation that nobody has read, and how many there are."""
    mended = choices.mended_talks()
    waiting = []
    for result in state.results(TALKS):
        for record in result.facts.get("talks", []):
            name = f"{result.key}/{record['id']}"
            if name in queue.items and (name, result.made_with) not in mended:
                waiting.append((name, result.made_with, record))
    waiting.sort(key=lambda entry: (after is not None and entry[0] <= after, entry[0]))
    if not waiting:
        return {"talk": None, "left": 0}
    name, revision, record = waiting[0]
    shown = _shown(queue.items[name])
    talk = {key: record[key] for key in ("description", "request", "reply")}
    return {"talk": {**shown, **talk, "revision": revision}, "left": len(waiting)}


def read_token(path: Path) -> str:
    """The token in a file. Raises ValueError where it is too short to be one."""
    text = path.read_text(encoding="utf-8").strip()
    if len(text) < 16:
        raise ValueError(f"{path}: a token has 16 characters or more")
    return text
