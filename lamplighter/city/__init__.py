# SPDX-License-Identifier: Apache-2.0
"""A city folder: built from a recipe, imported from a SUMO scenario, checked, read and written.

The services are handed in by the caller; nothing here knows one of them by name.
"""
