"""PURE. Options of pods and apps on the command line, in the same rooms as the plans made of them."""
