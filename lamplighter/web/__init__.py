# SPDX-License-Identifier: Apache-2.0
"""The page and the open data of a running city, served by the process that runs it."""
