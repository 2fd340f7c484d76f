"""What the demo, the tests and the benchmarks need, and the module does not."""
