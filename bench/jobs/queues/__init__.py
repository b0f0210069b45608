"""The same three jobs in each queue: a file for each, with `produce` and `work`. Run by `bench.jobs.serve`."""
