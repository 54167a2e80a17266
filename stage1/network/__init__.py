"""PURE. Networks of pods.

`drivers` are ways for a pod to have a network, `attachments` what its interfaces are on; `model`, `rules`, `names`,
`records` are values and texts; `registry` is what the host knows of its networks and the pods on them; `links`
(pyroute2's door) makes bridges; `live` changes what runs, `neighbours` tells it to the others.
"""
