# SPDX-License-Identifier: Apache-2.0
"""The state of any network from few meters: what is measured, what counts let expect, the fit, and how sure it is."""
