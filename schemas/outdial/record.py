"""Records: small values that are made in great numbers and never changed."""

from msgspec import Struct
from msgspec.structs import replace

__all__ = ["Record", "replace"]


class Record(Struct, frozen=True, gc=False):
    """What every event and every step of a target is.

    Made by C, which takes half as long as a dataclass does, and the garbage collector does not look at it: a record
    never refers to anything that refers to it. One cannot be changed.
    """
