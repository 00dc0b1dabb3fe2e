"""What a decoding process can't do any more once it is confined: take memory without end, write files, open sockets,
start programs or processes, touch other ones. It can read what its user can read.

Decoders of dozens of formats read what strangers send. If one of them can be made to run somebody else's instructions,
these should find nothing to reach. On Linux, limits of the kernel and a seccomp filter (seccomp(2), classic BPF) see to
that; elsewhere, only those limits that there are.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import signal
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["confine", "die_with_parent", "keep_others_out"]

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD_WORD, _JUMP_EQUAL, _JUMP_AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06  # BPF opcodes
_X32 = 0x40000000  # numbers from here on are x86-64's second table of the same calls

# Numbers of the system calls that decoding never needs. fmt: off
_DENIED = {
    "x86_64": (
        0xC000003E,
        {
            "socket": 41,
            "connect": 42,
            "accept": 43,
            "bind": 49,
            "listen": 50,
            "socketpair": 53,
            "fork": 57,
            "vfork": 58,
            "execve": 59,
            "kill": 62,
            "truncate": 76,
            "rename": 82,
            "mkdir": 83,
            "rmdir": 84,
            "link": 86,
            "unlink": 87,
            "symlink": 88,
            "chmod": 90,
            "chown": 92,
            "ptrace": 101,
            "mknod": 133,
            "mount": 165,
            "umount2": 166,
            "tkill": 200,
            "mkdirat": 258,
            "mknodat": 259,
            "unlinkat": 263,
            "renameat": 264,
            "linkat": 265,
            "symlinkat": 266,
            "fchmodat": 268,
            "unshare": 272,
            "accept4": 288,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "renameat2": 316,
            "bpf": 321,
            "execveat": 322,
            "io_uring_setup": 425,
            "creat": 85,
            "fchmod": 91,
            "fchown": 93,
            "lchown": 94,
            "rt_sigqueueinfo": 129,
            "setxattr": 188,
            "lsetxattr": 189,
            "fsetxattr": 190,
            "fchownat": 260,
            "utimensat": 280,
            "rt_tgsigqueueinfo": 297,
            "setns": 308,
            "pidfd_send_signal": 424,
            "pidfd_open": 434,
            "openat2": 437,
            "pidfd_getfd": 438,
            "fchmodat2": 452,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "mknodat": 33,
            "mkdirat": 34,
            "unlinkat": 35,
            "symlinkat": 36,
            "linkat": 37,
            "renameat": 38,
            "umount2": 39,
            "mount": 40,
            "truncate": 45,
            "fchmodat": 53,
            "unshare": 97,
            "ptrace": 117,
            "kill": 129,
            "tkill": 130,
            "socket": 198,
            "socketpair": 199,
            "bind": 200,
            "listen": 201,
            "accept": 202,
            "connect": 203,
            "execve": 221,
            "accept4": 242,
            "process_vm_readv": 270,
            "process_vm_writev": 271,
            "renameat2": 276,
            "bpf": 280,
            "execveat": 281,
            "io_uring_setup": 425,
            "setxattr": 5,
            "lsetxattr": 6,
            "fsetxattr": 7,
            "fchmod": 52,
            "fchownat": 54,
            "fchown": 55,
            "utimensat": 88,
            "rt_sigqueueinfo": 138,
            "rt_tgsigqueueinfo": 240,
            "setns": 268,
            "pidfd_send_signal": 424,
            "pidfd_open": 434,
            "openat2": 437,
            "pidfd_getfd": 438,
            "fchmodat2": 452,
        },
    ),
}
# fmt: on

_WRITING = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC if sys.platform == "linux" else 0
_CLONE_THREAD = 0x10000
_WHOLE = 0xFFFFFFFF
_CLONE3 = 435  # its arguments lie in memory, where a filter can't look; libraries do without it where it doesn't exist

_CONDITIONS = {
    "x86_64": ((2, 1, _WRITING, 0), (257, 2, _WRITING, 0), (56, 0, _CLONE_THREAD, _CLONE_THREAD), (302, 0, _WHOLE, 0)),
    "aarch64": ((56, 2, _WRITING, 0), (220, 0, _CLONE_THREAD, _CLONE_THREAD), (261, 0, _WHOLE, 0)),
}
"""Calls that are allowed under a condition: number, and which argument must have which bits under a mask. Files are
opened only to read them (open, openat), what is begun is a thread and no process (clone), limits are one's own
(prlimit64)."""

_TGKILL = {"x86_64": 234, "aarch64": 131}
"""Sends signals: to one's own threads only, which is how ``abort`` ends a process."""


def die_with_parent() -> None:
    """Have the kernel end this process when the one that started it ends, however it does."""
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def keep_others_out() -> None:
    """Have the kernel refuse this process's memory to others of the same user, such as a decoder that was taken over.

    What is started later has to say so for itself.
    """
    if sys.platform == "linux":
        _prctl(_PR_SET_DUMPABLE, 0)


def confine(memory_bytes: int) -> None:
    """Give up, for good, what decoding doesn't need. It may take ``memory_bytes`` more than it has by now.

    Everything that is imported later must be imported before. Raises `OSError` where Linux refuses the filter.
    """
    with contextlib.suppress(ImportError):  # not on Windows
        import resource

        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_FSIZE, 0)
        _limit(resource.RLIMIT_NOFILE, 64)
        if sys.platform == "linux":
            _limit(resource.RLIMIT_AS, _address_space() + memory_bytes)
    if sys.platform == "linux" and platform.machine() in _DENIED:
        machine = platform.machine()
        conditions = (*_CONDITIONS[machine], (_TGKILL[machine], 0, _WHOLE, os.getpid()))
        _filter_calls(*_DENIED[machine], conditions)


def _limit(what: int, value: int) -> None:
    import resource

    resource.setrlimit(what, (value, value))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _filter_calls(architecture: int, denied: dict[str, int], conditions: Iterable[tuple[int, int, int, int]]) -> None:
    """From now on, calls with the numbers ``denied`` fail with EPERM, as do those of another architecture's table, and
    those that don't meet their condition (see `_CONDITIONS`)."""
    deny = _instruction(_RETURN, _ERRNO | errno.EPERM)
    allow = _instruction(_RETURN, _ALLOW)
    program = [
        _instruction(_LOAD_WORD, 4),  # of seccomp_data, the architecture
        _instruction(_JUMP_EQUAL, architecture, yes=1),
        deny,
        _instruction(_LOAD_WORD, 0),  # the call's number
        _instruction(_JUMP_AT_LEAST, _X32, no=1),
        deny,
    ]
    for number in sorted(denied.values()):
        program += [_instruction(_JUMP_EQUAL, number, no=1), deny]
    program += [_instruction(_JUMP_EQUAL, _CLONE3, no=1), _instruction(_RETURN, _ERRNO | errno.ENOSYS)]
    for number, argument, mask, value in conditions:
        program += [
            _instruction(_JUMP_EQUAL, number, no=5),
            _instruction(_LOAD_WORD, 16 + 8 * argument),  # its lower half; the kernel, too, ignores the upper one
            _instruction(_AND, mask),
            _instruction(_JUMP_EQUAL, value, no=1),
            allow,
            deny,
        ]
    program.append(allow)
    code = ctypes.create_string_buffer(b"".join(program))
    filter_of = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(filter_of))


def _instruction(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """A ``struct sock_filter``: how many instructions to skip, if the comparison holds or not."""
    return struct.pack("<HBBI", code, yes, no, value)


def _prctl(what: int, *arguments: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    if library.prctl(what, *padded):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {what}: {os.strerror(number)}")
