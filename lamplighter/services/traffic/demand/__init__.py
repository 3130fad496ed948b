# SPDX-License-Identifier: Apache-2.0
"""Who travels where and when: flows made once with the city, trips drawn anew per seed."""
