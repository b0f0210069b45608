"""What a call is: actions, inputs, contexts, layers and services. No I/O, no transport, no backend."""
