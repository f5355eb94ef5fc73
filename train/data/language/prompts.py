"""The chat's replies about a scene: what is in it, and the prompt that removes some of it.

Prompts are sentences such as those of `expressions`, but always in the same words, so that a video
model trained on those sentences understands them. `parse_prompt` parses them.
"""

import re
from collections.abc import Iterable, Sequence

from ..drawn.scenes import SIZE_RATIO, TWINS_APART, SceneObject
from ..drawn.sprites import COLOURS, NOUNS
from .expressions import (
    MOTION_WORDS,
    PLACE_WORDS,
    SIZE_WORDS,
    clearest_place,
    describe_object,
    motion_word,
    place_words,
    plural,
    size_word,
)

MARKS = ("{{prompt}}", "{{/prompt}}")
EVERYTHING = "everything"
YES, NO = "(yes)", "(no)"
_SCENE = re.compile(r"I see [^.]*\.")
_ANSWER = re.compile(r" \((?:yes|no)\)")

# Prompts are read less strictly than they are written: words of place and size hold already at
# half the difference (for sizes, the square root of the ratio).
_APART = TWINS_APART / 2
_RATIO = SIZE_RATIO**0.5
_VERB = re.compile(r"(remove|delete|erase|take away) ")
_ALL = (EVERYTHING, "all objects", "all the objects")


def _alternatives(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, words))


_ADJECTIVES, _PLACES = _alternatives(SIZE_WORDS + MOTION_WORDS), _alternatives(PLACE_WORDS)


def _phrase(colours: Iterable[str], nouns: Iterable[str]) -> str:
    """Return a pattern of phrases such as "the big red ball on the left".

    Its groups are adjective, colour, noun and place.
    """
    names = _alternatives((*nouns, "object", "thing"))
    return rf"the (?:({_ADJECTIVES}) )?(?:({_alternatives(colours)}) )?({names})(?: ({_PLACES}))?"


_ANY = _phrase(COLOURS, NOUNS)
_BOTH = rf"both (?:(?:{_alternatives(COLOURS)}) )?(?:{_alternatives(map(plural, NOUNS))})"
_SENTENCE = re.compile(rf"{_VERB.pattern}(?:{_alternatives(_ALL)}|{_BOTH}|{_ANY}(?: and {_ANY})*)")


def from_left(objects: Sequence[SceneObject], chosen: Iterable[int] | None = None) -> list[int]:
    """Sort the indices of the objects, or the `chosen` ones, from left to right (first frame)."""
    indices = range(len(objects)) if chosen is None else chosen
    return sorted(indices, key=lambda i: float(objects[i].path[0, 0]))


def removal_prompt(objects: Sequence[SceneObject], removed: Iterable[int]) -> str | None:
    """Write the prompt that removes exactly `removed`: "remove the red ball and the blue fish".

    None where an object has no description that singles it out, or there is nothing to remove.
    """
    chosen = from_left(objects, removed)
    if not chosen:
        return None
    if len(chosen) == len(objects) > 1:
        return f"remove {EVERYTHING}"
    words = [describe_object(objects, i) for i in chosen]
    if any(w is None for w in words):
        return None
    return "remove " + " and ".join(f"the {w}" for w in words)


def describe_scene(objects: Sequence[SceneObject], meant: Iterable[int] | None = None) -> str:
    """Describe all objects from left to right: "I see a big red ball on the left and a blue fish."

    An object is described by the words that prompts use for it, and by those of place and size that
    people may use besides. If `meant` is given, every object is followed by YES where `meant` holds
    its index, and by NO elsewhere.
    """
    parts = [_with_article(_describe(objects, i)) for i in from_left(objects)]
    if meant is not None:
        chosen = {*meant}
        answers = (YES if i in chosen else NO for i in from_left(objects))
        parts = [f"{part} {answer}" for part, answer in zip(parts, answers, strict=True)]
    if not parts:
        return "I see only the background."
    listed = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    return f"I see {listed}."


def seen_parts(reply: str) -> list[range]:
    """Return the ranges of characters in a reply that only the picture could tell."""
    scene = _SCENE.search(reply)
    if scene is None:
        return []
    answers = [m.span() for m in _ANSWER.finditer(reply, *scene.span())]
    starts = [scene.start(), *(stop for _, stop in answers)]
    stops = [*(start for start, _ in answers), scene.end()]
    return [range(start, stop) for start, stop in zip(starts, stops, strict=True)]


def scene_sentence(reply: str) -> str:
    """Return the sentence in which a reply describes the scene, without YES and NO; "" if none."""
    scene = _SCENE.search(reply)
    return "" if scene is None else _ANSWER.sub("", scene[0])


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _describe(objects: Sequence[SceneObject], index: int) -> str:
    thing, others = objects[index], [o for i, o in enumerate(objects) if i != index]
    name = describe_object(objects, index) or f"{thing.colour} {thing.noun}"
    like = [o for o in others if o.noun == thing.noun]
    like = like or others
    if like and not name.startswith(SIZE_WORDS) and (size := size_word(thing, like)):
        name = f"{size} {name}"
    if like and not name.endswith(PLACE_WORDS) and (place := clearest_place(thing, like)):
        name = f"{name} {place}"
    return name


def parse_prompt(prompt: str, objects: Sequence[SceneObject]) -> tuple[int, ...] | None:
    """Return the indices of the objects that a prompt names, in rising order.

    None where the prompt is not in the prompts' language, or a part of it fits none or several of
    the objects. Words of place and size need smaller differences to hold than in the sentences of
    `expressions`, as a person could still see what is meant.
    """
    text = " ".join(prompt.lower().split()).rstrip(".")
    verb = _VERB.match(text)
    if verb is None or not objects:
        return None
    phrase = text[verb.end() :]
    if phrase in _ALL:
        return tuple(range(len(objects)))
    if both := re.fullmatch(r"both (.+)", phrase):
        return _pair(both[1], objects)
    found = [_single(part, objects) for part in phrase.split(" and ")]
    named = [i for i in found if i is not None]
    return tuple(sorted({*named})) if len(named) == len(found) else None


def is_sentence(prompt: str) -> bool:
    """Whether `prompt` is a sentence of the prompts' language, whatever the picture shows."""
    return _SENTENCE.fullmatch(" ".join(prompt.lower().split()).rstrip(".")) is not None


def _pair(words: str, objects: Sequence[SceneObject]) -> tuple[int, ...] | None:
    fitting = tuple(
        i
        for i, thing in enumerate(objects)
        if words in (plural(thing.noun), f"{thing.colour} {plural(thing.noun)}")
    )
    return fitting if len(fitting) == 2 else None


def _single(phrase: str, objects: Sequence[SceneObject]) -> int | None:
    """Return the index of the one object that fits a phrase; None where none or several fit."""
    found = re.fullmatch(_phrase({o.colour for o in objects}, {o.noun for o in objects}), phrase)
    if found is None:
        return None
    adjective, colour, noun, place = found.groups()
    group = [
        i
        for i, thing in enumerate(objects)
        if colour in (None, thing.colour) and noun in ("object", "thing", thing.noun)
    ]
    # Where colour and noun single an object out, its other words are compared with all objects.
    against = group if len(group) > 1 else range(len(objects))
    fitting = [i for i in group if _is_true(objects, i, against, adjective, place)]
    return fitting[0] if len(fitting) == 1 else None


def _is_true(
    objects: Sequence[SceneObject],
    index: int,
    against: Iterable[int],
    adjective: str | None,
    place: str | None,
) -> bool:
    thing, others = objects[index], [objects[i] for i in against if i != index]
    if not others:
        return adjective is None and place is None
    true = [None, *place_words(thing, others, _APART), size_word(thing, others, _RATIO)]
    return place in true and adjective in [*true, motion_word(thing, others)]
