# SPDX-License-Identifier: Apache-2.0
"""The least power that keeps a street in its class, with a bound that proves it; and the timetables that come close."""
