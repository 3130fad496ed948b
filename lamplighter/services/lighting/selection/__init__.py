# SPDX-License-Identifier: Apache-2.0
"""Which lighting class a street needs: tables of weights as data, and what counts, weather and clock make of them."""
