"""How bytes become requests: HTTP as it stands on the wire, and no action."""
