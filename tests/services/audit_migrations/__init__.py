"""The migrations of the tables that the tests of the outbox and the ledger work on."""
