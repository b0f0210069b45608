"""The HTTP transport: routes, inputs, answers and errors of actions, over any server that speaks through wire."""
