# SPDX-License-Identifier: Apache-2.0
"""The rolling-horizon planner: what each box should run, from what is seen now and what is on its way."""
