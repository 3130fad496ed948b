# SPDX-License-Identifier: Apache-2.0
"""TALQ Smart City Protocol 2.7.1, lighting profile, both sides. Nothing here opens a socket: bytes come and bytes go."""
