"""How a call arrives: one folder or file a transport, siblings that never import each other."""
