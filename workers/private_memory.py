"""What a process that holds passwords and keys keeps from its neighbours: its memory and its environment."""

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4  # prctl(2)


def keep_memory_private() -> None:
    """From now on this process leaves no core, and on Linux no process of the same user may look into it.

    What looks is anything that `ptrace(2)` decides on: /proc/PID/environ, /proc/PID/mem, a debugger. The
    processes that it forks are as private; what is started anew, as the children that open documents, is as any.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        if prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "the system does not keep this process's memory private")
