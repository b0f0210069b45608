"""The background task: jobs become calls, run through every layer, and are settled, put back or set aside."""
