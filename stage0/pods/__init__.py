"""Pods that are there: which ones, in what state, what became of them, and what each holds of the host."""
