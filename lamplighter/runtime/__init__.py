# SPDX-License-Identifier: Apache-2.0
"""The imperative shell: the only place with a clock, tasks and sockets."""
