"""Channels: typed events shown to whoever watches, in order, over all nodes, with recovery and presence."""
