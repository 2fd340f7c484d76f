"""What the demo, the tests and the benchmarks need besides the module; no part of it."""
