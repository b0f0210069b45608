"""What an application's tests import: the running application, clients, a clock of one's own, and real engines."""
