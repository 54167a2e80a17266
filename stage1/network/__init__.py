"""PURE. Networks of pods.

`wire` is the story of a start; `model`, `rules`, `names`, `records` are values and texts; `registry` is what the host
knows of its networks and the pods on them; `links` (pyroute2's door) makes bridges; `live` changes what runs.
"""
