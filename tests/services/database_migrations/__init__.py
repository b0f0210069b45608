"""The migrations of the tables that the tests of the database work on."""
