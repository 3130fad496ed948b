# SPDX-License-Identifier: Apache-2.0
"""The grid proper, pure: its model, its power flow and estimate, and how headroom is shared."""
