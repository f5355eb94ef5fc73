"""How requests are worded: verbs, articles, capitals, typos, and talk that asks for nothing."""

import string
from itertools import pairwise

import numpy as np

REQUESTS = (
    "remove {}",
    "delete {}",
    "erase {}",
    "take away {}",
    "take {} away",
    "get rid of {}",
    "please remove {}",
    "remove {} please",
    "please delete {}",
    "can you remove {}",
    "can you erase {}",
    "could you take {} out",
    "take {} out of the video",
    "take out {}",
    "remove {} from the video",
    "remove {} from the clip",
    "erase {} from the picture",
    "delete {} from the scene",
    "wipe out {}",
    "make {} disappear",
    "make {} go away",
    "i want {} gone",
    "i want you to remove {}",
    "{} should go",
    "{} must be removed",
    "cut out {}",
    "cut {} out",
    "eliminate {}",
    "clear away {}",
    "edit out {}",
    "paint over {}",
    "i do not want to see {}",
    "i don't want {} in there",
    "let {} vanish",
    "lose {}",
    "strip out {}",
    "i need {} removed",
    "get {} out of here",
)
"""Ways to ask for a removal; the first four are the plainest, and the most frequent."""
PLAIN = 4
EXCEPT = (
    "everything except {}",
    "everything but {}",
    "all but {}",
    "all except {}",
    "everything apart from {}",
    "all things except {}",
    "all the objects but {}",
    "everything other than {}",
)
KEEP = (
    "keep only {}",
    "leave only {}",
    "keep {} and remove the rest",
    "only {} should stay",
    "keep just {}",
    "remove everything, keep {}",
)
EVERYTHING = (
    "everything",
    "everything",
    "all objects",
    "all the objects",
    "all things",
    "every object",
    "all of them",
)
NOTHING = (
    "do not remove {}",
    "don't remove {}",
    "don't touch {}",
    "leave {} alone",
    "keep {}",
    "never delete {}",
    "what is {}?",
    "where is {}?",
    "i like {}",
    "look at {}",
    "make {} bigger",
    "paint {} in another colour",
    "move {} to the side",
    "add another one beside {}",
    "is that {}?",
    "describe {}",
)
"""Sentences about an object that ask for no removal."""
TALK = (
    "hello",
    "hi",
    "hi there",
    "good morning",
    "hey, how are you?",
    "thanks",
    "thank you very much",
    "bye",
    "what can you do?",
    "who are you?",
    "nice video",
    "test",
    "testing one two three",
    "ok",
    "yes",
    "no",
    "what do you see?",
    "make it brighter",
    "make the video slower",
    "add some music",
    "crop the video",
    "more contrast please",
    "nothing",
    "remove nothing",
    "leave it as it is",
    "do nothing",
    "...",
    "?",
)
ANY_NOUN = ("object", "thing", "object", "thing", "item")
SIZE = {"big": ("big", "large", "bigger", "larger"), "small": ("small", "little", "smaller")}
LARGEST = {
    "big": ("biggest", "largest", "most massive"),
    "small": ("smallest", "tiniest", "littlest"),
}
EXTREMES = {
    "on the left": ("leftmost {}", "{} furthest to the left", "{} farthest left"),
    "on the right": ("rightmost {}", "{} furthest to the right", "{} farthest right"),
    "at the top": ("topmost {}", "highest {}", "uppermost {}"),
    "at the bottom": ("lowest {}", "bottommost {}", "{} furthest down"),
}
PLACES = {
    "on the left": ("{} on the left", "left {}", "{} on the left side", "{} to the left"),
    "on the right": ("{} on the right", "right {}", "{} on the right side", "{} to the right"),
    "at the top": ("{} at the top", "upper {}", "top {}", "{} above"),
    "at the bottom": ("{} at the bottom", "lower {}", "bottom {}", "{} below"),
}
MOTION = {
    "moving": ("moving {}", "{} that moves", "{} that is moving", "{} in motion"),
    "still": (
        "still {}",
        "{} that does not move",
        "{} that is not moving",
        "{} standing still",
        "stationary {}",
    ),
}
BESIDE = ("{} next to the {}", "{} beside the {}", "{} near the {}", "{} close to the {}")
RELATIVE = {
    "on the left": ("{} left of the {}", "{} to the left of the {}"),
    "on the right": ("{} right of the {}", "{} to the right of the {}"),
    "at the top": ("{} above the {}", "{} over the {}"),
    "at the bottom": ("{} below the {}", "{} under the {}"),
}
TYPO_SHARE = 0.08
_NEIGHBOURS = {a: b for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm") for a, b in pairwise(row)}


def pick(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    """Draw one of the texts."""
    return choices[int(rng.integers(len(choices)))]


def pick_plain(rng: np.random.Generator, choices: tuple[str, ...], share: float = 0.6) -> str:
    """Draw one of the texts, the first one with probability `share`."""
    return choices[0] if rng.random() < share else pick(rng, choices)


def ask_for(rng: np.random.Generator, phrase: str) -> str:
    """Word a request for the removal of what `phrase` names, such as "the red ball"."""
    plain = rng.random() < 0.5
    return pick(rng, REQUESTS[:PLAIN] if plain else REQUESTS).format(phrase)


def with_article(rng: np.random.Generator, words: str) -> str:
    """Put an article, mostly "the", before the words for one thing."""
    draw = rng.random()
    if draw < 0.88:
        return f"the {words}"
    return words if draw < 0.95 else f"{pick(rng, ('that', 'this'))} {words}"


def finish(rng: np.random.Generator, sentence: str) -> str:
    """Give a sentence the capitals, the ending and the typos of a person who types."""
    if rng.random() < TYPO_SHARE:
        sentence = with_typo(rng, sentence)
    draw = rng.random()
    if draw < 0.3:
        sentence = sentence[:1].upper() + sentence[1:]
    elif draw < 0.33:
        sentence = sentence.upper()
    if not sentence.endswith(("?", ".")):
        draw = rng.random()
        sentence += "." if draw < 0.2 else "!" if draw < 0.23 else ""
    return sentence


def with_typo(rng: np.random.Generator, sentence: str) -> str:
    """Misspell one of the words of at least four letters, if there is one."""
    words = sentence.split(" ")
    long = [i for i, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not long:
        return sentence
    index = long[int(rng.integers(len(long)))]
    words[index] = _misspell(rng, words[index])
    return " ".join(words)


def _misspell(rng: np.random.Generator, word: str) -> str:
    at = int(rng.integers(1, len(word) - 1))
    kind = int(rng.integers(4))
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    if kind == 2:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + _NEIGHBOURS.get(word[at], word[at]) + word[at + 1 :]


def nonsense(rng: np.random.Generator) -> str:
    """One to four words of random letters."""
    letters = np.array(list(string.ascii_lowercase))
    words = [
        "".join(rng.choice(letters, int(rng.integers(2, 9)))) for _ in range(rng.integers(1, 5))
    ]
    return " ".join(words)
