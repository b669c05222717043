"""What a child process that opens documents takes away from itself before it opens one."""

import logging
import resource
import signal


def limit(memory_bytes: int, *, file_bytes: int = 0) -> None:
    """From now on: no more address space than this, no file longer than that, no core, no word to any log."""
    logging.disable(logging.CRITICAL)
    # A stop that is meant for the worker must not look like a document that kills its reader.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))


def limit_cpu(seconds: float) -> None:
    """Stop us where nobody is left to do it; the limit counts from the start of the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 2, hard))
