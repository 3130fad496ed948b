# SPDX-License-Identifier: Apache-2.0
"""Gives every charging group an envelope: what cables and transformers have left, so that the whole night suffices."""

from lamplighter.services.grid.adaptive.deciding import Memory, adaptive, start

__all__ = ["Memory", "adaptive", "start"]
