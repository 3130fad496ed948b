# SPDX-License-Identifier: Apache-2.0
"""What signal engineers ask of a signal: arrivals on green, split failures, waits, detector health."""
