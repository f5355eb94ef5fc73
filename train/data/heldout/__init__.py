"""Held-out clips: what the bundled models are tested on, made apart from what they are trained on.

    python -m train.data.heldout.fetch   # once: icons, photographs, films, words, from the network
    python -m train.data.heldout.write   # the clips, always the same for one seed
    python -m train.evaluate --config train/configs/heldout_eval.yaml
    python -m train.evaluate --config train/configs/heldout_large_eval.yaml
    python -m train.evaluate --config train/configs/heldout_long_eval.yaml
    python -m train.evaluate --config train/configs/heldout_chat_eval.yaml

Assets and clips lie in .cache/heldout, which git ignores. Nothing here may be read, imported or
imitated by whoever makes training data: neither `drawn` nor `language` knows this package, and this
package knows neither of them.

What is reserved for testing:

- the icon style fluent-emoji-flat, whole (`assets`), and the drawings in `shapes`;
- the photographs and words whose names' SHA-1 begins with an odd digit, and the wallpapers of the
  Debian packages lomiri-wallpapers-* (`fetch`);
- the drawn grounds (`backgrounds`), and all wording (`plain`, `relations`, `wording`, `talks`).
  The canonical sentence "remove the red ball" is everyone's.

A clip counts for one or more strata (`strata`, `talks`), whose figures are reported one by one.
Strata that differ in what is seen ask in canonical words; strata that differ in what is said show
drawings on drawn grounds; so each figure says what it is about. Requests are checked to be true and
unambiguous when a scene is made (`placing`): everything stands out from what is behind it, things
that are told apart by place, size or motion differ by much, and what real footage shows by itself
is not asked for before it.

Data walks one way: `fetch` fills the folder that `assets` reads; `shapes` and `backgrounds` draw;
`placing` makes a `scene` of wishes; `plain`, `relations` and `talks` wish and word; `strata` and
`filmed` count out; `write` renders; `reader` hands samples to the evaluation.
"""
