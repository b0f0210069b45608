"""The command line: every action as a command, and the commands that run the application."""
