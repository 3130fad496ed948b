# SPDX-License-Identifier: Apache-2.0
"""Which switches to open and close: least loss, most supplied after a fault, and in which order. Advice, never a command."""
