"""Measure whether what the library reports as known is true; writes doc/truth.md."""
