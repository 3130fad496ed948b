# SPDX-License-Identifier: Apache-2.0
"""The Merkle tree of RFC 6962 section 2.1, with the verification of proofs as in RFC 9162 sections 2.1.3.2 and 2.1.4.2."""

import hashlib
from collections.abc import Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Return SHA-256(0x00 || leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """Leaf hashes and every complete subtree above them, so that roots and proofs of any size cost O(log n)."""

    def __init__(self) -> None:
        self._stages: list[list[bytes]] = [[]]

    def __len__(self) -> int:
        return len(self._stages[0])

    def append(self, leaf: bytes) -> None:
        """Add one leaf."""
        height, value = 0, leaf_hash(leaf)
        while True:
            if height == len(self._stages):
                self._stages.append([])
            row = self._stages[height]
            row.append(value)
            if len(row) % 2:
                return
            value = node_hash(row[-2], row[-1])
            height += 1

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first `size` leaves (all of them by default)."""
        size = len(self) if size is None else size
        if not 0 <= size <= len(self):
            raise ValueError(f"the tree has {len(self)} leaves; it has no root of size {size}")
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """Return the audit path of leaf `index` in the tree of `size` leaves."""
        if not 0 <= index < size <= len(self):
            raise ValueError(f"no inclusion proof of leaf {index} in size {size}: the tree has {len(self)} leaves")
        path: list[bytes] = []
        low, high = 0, size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low = middle
        return tuple(reversed(path))

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """Return the proof that the tree of `old` leaves is the beginning of the tree of `new` leaves."""
        if not 0 < old <= new <= len(self):
            raise ValueError(f"no consistency proof from size {old} to {new}: the tree has {len(self)} leaves")
        path: list[bytes] = []
        low, high, whole = 0, new, True
        while old < high:
            middle = low + _split(high - low)
            if old <= middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low, whole = middle, False
        if not whole:
            path.append(self._range(low, high))
        return tuple(reversed(path))

    def _range(self, low: int, high: int) -> bytes:
        size = high - low
        if size & (size - 1) == 0:
            height = size.bit_length() - 1
            return self._stages[height][low >> height]
        middle = low + _split(size)
        return node_hash(self._range(low, middle), self._range(middle, high))


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Return whether `path` shows that `leaf` stands at `index` in the tree of `size` leaves with this root."""
    if not 0 <= index < size:
        return False
    at, last, value = index, size - 1, leaf_hash(leaf)
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            value = node_hash(sibling, value)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and value == root


def verify_consistency(sizes: tuple[int, int], roots: tuple[bytes, bytes], path: Sequence[bytes]) -> bool:
    """Return whether `path` shows that the tree (sizes[0], roots[0]) is the beginning of (sizes[1], roots[1])."""
    (old, new), (old_root, new_root) = sizes, roots
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    steps = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not steps:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, step)
        at, last = at >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root
