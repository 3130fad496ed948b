# SPDX-License-Identifier: Apache-2.0
"""Transports only: they move bytes and know no city."""
