"""Collages: pictures of many hands on photographs, footage and drawn backgrounds.

`python -m train.data.collage.fetch` brings what they are made of.
"""
