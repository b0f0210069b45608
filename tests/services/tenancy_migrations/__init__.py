"""The migrations of the tables that the tests of tenants work on."""
