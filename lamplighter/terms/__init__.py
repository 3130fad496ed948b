# SPDX-License-Identifier: Apache-2.0
"""The words everything else speaks: tables of NumPy columns, and nothing that does input or output."""
