"""The steps of the demo, in the order of `tools.demo.__main__`."""
