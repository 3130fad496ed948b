# SPDX-License-Identifier: Apache-2.0
"""Published networks on which reconfiguration is compared; their figures and sources stand beside this file."""
