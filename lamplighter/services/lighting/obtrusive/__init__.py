# SPDX-License-Identifier: Apache-2.0
"""Light where nobody wants it: on facades, in eyes and above the horizon, and the limits that guides set for it."""
