# SPDX-License-Identifier: Apache-2.0
"""Operating envelopes from aggregate data: what each charging group may draw, now and so that the night suffices."""
