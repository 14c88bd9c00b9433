"""One thread of another process made to stand still, as a rank does whose machine hangs: by ptrace(2)."""
import ctypes
import os
import pathlib

SEIZE, INTERRUPT, DETACH, CONT = 0x4206, 0x4207, 17, 7
WALL = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def _ptrace(request, thread):
    if _libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace: {os.strerror(ctypes.get_errno())}")


def thread_of(process, name):
    """The first thread of this name: those that it started have inherited it."""
    tasks = pathlib.Path(f"/proc/{process}/task").iterdir()
    return min(int(task.name) for task in tasks if (task / "comm").read_text().strip() == name)


class Halted:
    """Of a child. Every call is for the thread that made it. OSError where the system forbids it."""

    def __init__(self, thread):
        self.thread = thread
        _ptrace(SEIZE, thread)

    def halt(self):
        _ptrace(INTERRUPT, self.thread)
        os.waitpid(self.thread, WALL)

    def go_on(self):
        _ptrace(CONT, self.thread)

    def release(self):
        _ptrace(DETACH, self.thread)
