"""Fuzzing of what strangers can send: ``python -m fuzz.run TARGET --seconds N`` (needs the extra [fuzz])."""
