"""Browser sessions in the store: who signed in, under an id that only the client and its hash here know."""
