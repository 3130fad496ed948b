# SPDX-License-Identifier: Apache-2.0
"""How many cars a grid bears on its worst night, by several ways of steering, and how many no way could exceed."""
