"""Calls and channels over WebSocket: one socket, JSON frames, many calls side by side."""
