"""Other words for the same request, and requests that ask for nothing that can be done."""

import re
from collections.abc import Sequence

import numpy as np

from .assets import Noun

COLOUR_SYNONYMS = {
    "red": ("crimson", "scarlet"),
    "orange": ("tangerine", "amber"),
    "yellow": ("golden", "lemon-coloured"),
    "green": ("emerald", "greenish"),
    "blue": ("azure", "cobalt"),
    "purple": ("violet", "lilac"),
    "white": ("ivory", "snow-white"),
    "black": ("jet-black", "ebony"),
}
VERBS = (
    "delete {}", "erase {}", "get rid of {}", "take {} away", "take {} out", "wipe out {}",
    "eliminate {}", "cut {} out", "make {} disappear", "edit out {}", "dispose of {}", "drop {}",
    "lose {}", "paint over {}", "make {} vanish", "scrub {} out of the shot", "I want {} gone",
    "{} has to go",
)  # fmt: skip
REGISTERS = (
    "REMOVE {}", "Please remove {}.", "could you remove {}?", "remove {}!!",
    "Remove {} from the video.",
    "hi, can you remove {} for me, please", "pls remove {}", "I'd like you to remove {}",
    "remove {bare}", "remove a {bare}", "would you mind removing {}?", "now remove {}, thanks",
)  # fmt: skip
NONSENSE = (
    "remove the blorptangle", "asdf qwer zxcv", "remove the the of", "colourless ideas sleep",
    "wug wug wug", "remove the frindle from the snorp", "42", "lorem ipsum dolor sit amet",
    "remove the zibbit on the left", "??", "delete the quxly", "remove nothing",
)  # fmt: skip
GREETINGS = (
    "hello", "good morning", "thank you very much", "what time is it?", "how are you today?",
    "this is a nice video", "play the next song", "tell me a joke", "who made this?",
    "see you tomorrow", "the weather is lovely", "hello there, my friend",
)  # fmt: skip


def colour_synonym(rng: np.random.Generator, sentence: str, colour: str) -> str:
    """The sentence with another word for the colour."""
    return re.sub(rf"\b{colour}\b", str(rng.choice(COLOUR_SYNONYMS[colour])), sentence)


def noun_synonym(rng: np.random.Generator, sentence: str, noun: str, nouns: dict[str, Noun]) -> str:
    """The sentence with another word for the noun."""
    return re.sub(rf"\b{noun}\b", str(rng.choice(nouns[noun].synonyms)), sentence)


def other_verb(rng: np.random.Generator, phrase: str) -> str:
    """A request to remove what `phrase` ("the red ball") names, in other words than "remove"."""
    return str(rng.choice(VERBS)).format(phrase)


def other_register(rng: np.random.Generator, phrase: str) -> str:
    """The request in other articles, capitals and manners."""
    form = str(rng.choice(REGISTERS))
    sentence = form.format(phrase, bare=phrase.removeprefix("the "))
    if form.startswith("REMOVE"):
        return sentence.upper()
    return re.sub(r"\ba (?=[aeio])", "an ", sentence)


def mistyped(rng: np.random.Generator, sentence: str, words: Sequence[str]) -> str:
    """The sentence with a slip of the finger in one of the `words`: what a person still reads."""
    word = str(rng.choice([w for w in words if len(w) >= 4]))
    place = int(rng.integers(1, len(word) - 2))
    swapped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    dropped = word[:place] + word[place + 1 :]
    doubled = word[: place + 1] + word[place] + word[place + 1 :]
    slips = [slip for slip in (swapped, dropped, doubled) if slip != word]
    return re.sub(rf"\b{word}\b", str(rng.choice(slips)), sentence, count=1)
