# SPDX-License-Identifier: Apache-2.0
"""Which hours and areas run which arm, and what may be said about the difference."""
