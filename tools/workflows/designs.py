"""All workflow files and blueprints, which tools/make_workflows.py writes.

Node ids in a file follow the order of its description: add new nodes at its end.
"""

from collections.abc import Callable

from ..workflows import by_chat, by_mask, by_sentence
from ..workflows.blueprint import Blueprint
from ..workflows.graph import Graph
from ..workflows.remove_object_node import remove_object_node

DESIGNS: dict[str, Callable[[Graph], None]] = {
    design.__name__: design
    for design in (
        by_sentence.remove_object,
        by_sentence.two_objects,
        by_sentence.stock_nodes_only,
        by_mask.fix_the_mask,
        by_mask.external_mask,
        by_mask.real_footage_mask,
        by_mask.real_footage_words,
        by_mask.painted_masks,
        by_sentence.long_clip,
        by_sentence.small_object,
        by_sentence.whole_video,
        by_sentence.batch_folder,
        by_chat.interactive_two_stage,
        by_chat.interactive_end_to_end,
        by_chat.multi_turn,
    )
}
BLUEPRINTS: dict[str, Callable[[Blueprint], None]] = {"Remove object (LGVI)": remove_object_node}
