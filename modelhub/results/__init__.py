"""The form of results: types alone, which statistics fill in, reports read and `results.json` is written from."""
