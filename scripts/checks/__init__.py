"""The rules that no ready-made tool holds, one file each; `scripts/check.py` runs them."""
