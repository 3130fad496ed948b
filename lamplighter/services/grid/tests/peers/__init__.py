# SPDX-License-Identifier: Apache-2.0
"""Programs around other people's implementations of a protocol; each runs in a process of its own."""
