"""Whether a value was seen before, in memory that does not grow with the values.

In    values, as they come.
Out   "no", which is certain, or "maybe". Of values never seen, so many are a "maybe" as there were others for
      each of the places: 1 in 170 after 100,000.
"""

#: 2 MB of bits. A power of two, so that the hash's low bits name a place.
_PLACES = 1 << 24


class Sieve:
    """False until something was added: to ask an empty one is free."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def __bool__(self) -> bool:
        return bool(self._bits)

    def add(self, value: str) -> None:
        if not self._bits:
            self._bits = bytearray(_PLACES // 8)
        place = hash(value) % _PLACES
        self._bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, value: str) -> bool:
        if not self._bits:
            return False
        place = hash(value) % _PLACES
        return bool(self._bits[place >> 3] >> (place & 7) & 1)
