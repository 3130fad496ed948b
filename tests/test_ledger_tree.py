# SPDX-License-Identifier: Apache-2.0
"""The ledger's tree: published RFC 6962 roots and proofs, and no proof that holds for anything else."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.ledger import Tree, verify_consistency, verify_inclusion
from lamplighter.ledger.tree import leaf_hash, node_hash

# The leaves, roots and proofs that implementations of Certificate Transparency are checked against.
LEAVES = [
    bytes.fromhex(h) for h in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION_0_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]
CONSISTENCY_6_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]


def tree_of(leaves):
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree


def slow_root(leaves):
    if len(leaves) < 2:
        return leaf_hash(leaves[0]) if leaves else hashlib.sha256(b"").digest()
    split = max(1 << n for n in range(20) if 1 << n < len(leaves))
    return node_hash(slow_root(leaves[:split]), slow_root(leaves[split:]))


def test_published_roots_and_proofs():
    tree = tree_of(LEAVES)
    assert [tree.root(size).hex() for size in range(9)] == ROOTS
    assert [step.hex() for step in tree.inclusion(0, 8)] == INCLUSION_0_8
    assert [step.hex() for step in tree.consistency(6, 8)] == CONSISTENCY_6_8


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.data())
def test_every_proof_holds_and_every_changed_proof_fails(size, data):
    leaves = [f"{n}".encode() for n in range(size)]
    tree = tree_of(leaves)
    root = slow_root(leaves)
    assert tree.root() == root
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    path = tree.inclusion(index, size)
    assert verify_inclusion(leaves[index], index, size, path, root)
    assert not verify_inclusion(b"other", index, size, path, root)
    assert not verify_inclusion(leaves[index], index, size, (*path, root), root)
    if path:
        assert not verify_inclusion(leaves[index], index, size, path[:-1], root)
        assert not verify_inclusion(leaves[index], index, size, (bytes(32), *path[1:]), root)
    proof = tree.consistency(old, size)
    roots = (slow_root(leaves[:old]), root)
    assert verify_consistency((old, size), roots, proof)
    assert not verify_consistency((old, size), (bytes(32), root), proof)
    assert not verify_consistency((old, size), (roots[0], bytes(32)), proof)
    assert not verify_consistency((old, size), roots, (*proof, bytes(32)))
    if proof:
        assert not verify_consistency((old, size), roots, proof[:-1])


def test_proofs_beyond_the_tree_are_refused():
    tree = tree_of(LEAVES)
    for ask in (
        lambda: tree.root(9),
        lambda: tree.inclusion(8, 8),
        lambda: tree.consistency(0, 8),
        lambda: tree.consistency(3, 9),
    ):
        with pytest.raises(ValueError, match="the tree has 8 leaves"):
            ask()
