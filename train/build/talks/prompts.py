"""What the models are told; in our own words, after the steps of the paper's Fig. 11 to 13."""

from collections.abc import Sequence

OPEN, CLOSE = "{{prompt}}", "{{/prompt}}"

DESCRIBE_SYSTEM = (
    "You describe pictures for somebody who cannot see them. You say what is there, where it is, "
    "what it looks like and what it does, in two to four plain sentences, and nothing else."
)
DESCRIBE = "Describe this frame of a video."

REQUEST_SYSTEM = (
    "You play a person who writes to a video editor. You are given the description of a video and "
    "one thing in it that shall go. Write one or two sentences that this person might say. Do not "
    "give an order such as 'remove the ...': tell a wish, a reason, a problem or what shall be "
    "left, so that a careful reader who sees the video knows which thing is meant. Never speak of "
    "masks, pixels, boxes or annotations. Answer with the person's words alone, without quotes."
)
REQUEST = """Description: {description}
Thing that shall go: {thing}

Two examples for other videos:
Description: A woman walks two dogs, a white one and a brown one, along a beach.
Thing that shall go: the brown dog behind the white dog
Person: This is for my friend, who only owns the white one. Could the clip show just her pet?
Description: A boy stands on a wooden chair in a meadow and waves.
Thing that shall go: the chair the boy stands on
Person: I would love it if he seemed to float above the grass!

Person:"""

REPLY_SYSTEM = (
    "You help people edit videos. You see a frame and read a person's wish. Find out which thing "
    "has to go. Answer kindly in one to three sentences: say briefly what you see, say what you "
    f"will take away, and end with exactly one instruction between marks, like this: {OPEN} remove "
    f"the brown dog behind the white dog {CLOSE}"
)
REPLY = """The person says: {request}
What has to go is: {thing}

Write your answer. It ends with {open} remove {bare} {close}"""


def describe() -> str:
    """What is asked about a frame."""
    return DESCRIBE


def ask_for_request(description: str, expressions: Sequence[str]) -> str:
    """What is asked of the model that plays the person."""
    return REQUEST.format(description=description, thing=expressions[0])


def ask_for_reply(request: str, expressions: Sequence[str]) -> str:
    """What is asked of the model that replies."""
    thing = expressions[0]
    bare = thing.removeprefix("remove ")
    return REPLY.format(request=request, thing=thing, bare=bare, open=OPEN, close=CLOSE)
