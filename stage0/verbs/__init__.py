"""One file a verb: `add_arguments(parser)` and `run(arguments, settings) -> exit status`."""
