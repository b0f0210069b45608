"""The migrations of the table that the tests of lost events work on."""
