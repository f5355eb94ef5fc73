"""Builds ROVI's kind of data from raw clips (paper Sec. 3.3, Fig. 4 and App. A).

A clip walks through stages, one way: `sources` takes it in, `masks` carries its masks to all
frames, `candidates` removes each object with its mask grown by several widths, `people` choose
among those, `talks` writes conversations, `export` makes a data set of what was chosen. Each stage
but the people's is a pure function of one clip: it reads the folders of the stages before, and
writes one folder, which appears whole or not at all (`state`). `runner` runs a stage over all clips
in processes, `cluster` on a Ray cluster. `config` is the one YAML file.
"""
