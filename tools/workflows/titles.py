"""What the page calls the workflows: it shows the names of their files, in any language."""

TITLES = {
    "remove_object": "01 Remove an object by a sentence (start here)",
    "two_objects": "02 Remove several objects by one sentence",
    "interactive_two_stage": "03 Ask in everyday words (chat)",
    "fix_the_mask": "04 Add to the mask or take from it",
    "whole_video": "05 A whole video file of any length",
    "batch_folder": "06 Every video of a folder",
    "real_footage_mask": "07 Real footage - a mask, no model (clean plate)",
    "real_footage_words": "08 Real footage - words to SAM 3",
    "external_mask": "09 Use the mask of another node",
    "long_clip": "10 A long clip in windows",
    "multi_turn": "11 A conversation of three turns",
    "interactive_end_to_end": "12 Chat end to end (LGVI-I)",
    "stock_nodes_only": "13 ComfyUI's own sampling nodes",
    "small_object": "14 A small object in a large frame (crop and stitch)",
    "painted_masks": "15 Paint on some frames - no model",
}
"""Title by the design's name, in the order in which a person would try them."""
