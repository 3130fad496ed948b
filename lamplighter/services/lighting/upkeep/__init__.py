# SPDX-License-Identifier: Apache-2.0
"""What is broken, what to mend first, and what was burnt: from registers, meters and states, never from who passes."""
