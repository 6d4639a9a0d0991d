"""Permissions of files that bind root, too: for tests that run as root."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

_VERSION_3, _DAC_OVERRIDE = 0x20080522, 1 << 1


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Set(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable"))


@contextlib.contextmanager
def bound_by_permissions() -> Iterator[bool]:
    """This thread, and those that it starts, without root's right to write what it may not; whether that is so."""
    if os.geteuid() != 0:
        yield True
        return
    if not sys.platform.startswith("linux"):
        yield False
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_VERSION_3, 0), (_Set * 2)()
    known = libc.capget(ctypes.byref(header), sets) == 0
    before = sets[0].effective
    sets[0].effective &= ~_DAC_OVERRIDE
    bound = known and libc.capset(ctypes.byref(header), sets) == 0
    try:
        yield bound
    finally:
        sets[0].effective = before
        libc.capset(ctypes.byref(header), sets)
