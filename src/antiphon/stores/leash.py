"""Run as a script, never imported: ties this process to its parent, then becomes the program it is told to run."""

# A server that we start must not outlive us, also when we are killed and can do nothing any more.
#
# Linux has PR_SET_PDEATHSIG: the kernel sends a signal when the parent is gone. Three traps:
#   - it belongs to the thread that started us: when that thread ends, the signal comes;
#   - it does not come if the parent was gone before we asked, hence the look at getppid() afterwards;
#   - a change of user clears it, so that comes first. exec keeps it.
# It is set here, between fork and exec, because `preexec_fn` would run Python in a copy of a process with threads.
#
# Elsewhere a watchdog stands by: it waits for the end of a pipe whose other side only the parent has. It is a child of
# the program, so that it can see whom it would stop: with another parent than the program the program is gone.
#
# usage: leash.py PARENT SIGNAL PIPE UID GID PROGRAM [ARGUMENT…]     PIPE, UID and GID are -1 for none

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1


def main(parent: int, stop: int, pipe: int, uid: int, gid: int, command: list[str]) -> None:
    """Become `command`. Ends at once if the parent is gone already."""
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if pipe >= 0:
        stand_by(pipe, stop)
    elif ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, stop, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("The process that wanted this server is gone.")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would hand that on
    os.execv(command[0], command)  # noqa: S606  # what the parent has told us to become


def stand_by(pipe: int, stop: int) -> None:
    """Leave a watchdog behind that sends `stop` to this process when the pipe ends."""
    program = os.getpid()
    if os.fork() != 0:
        os.close(pipe)
        return
    os.setsid()
    os.dup2(pipe, 0)
    # Everything else goes, above all the lock, which must be free when the program is gone.
    for name in os.listdir("/dev/fd"):  # noqa: PTH208  # a script that starts in 10 ms imports no pathlib
        if int(name) > 0:
            with suppress(OSError):
                os.close(int(name))
    os.read(0, 1)
    if os.getppid() == program:
        os.kill(program, stop)
    os._exit(0)


if __name__ == "__main__":
    _parent, _stop, _pipe, _uid, _gid = map(int, sys.argv[1:6])
    main(_parent, _stop, _pipe, _uid, _gid, sys.argv[6:])
