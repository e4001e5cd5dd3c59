"""What the benchmarks are made of; `scripts/bench.py` runs them, `docs/benchmarks.md` says what they mean."""
