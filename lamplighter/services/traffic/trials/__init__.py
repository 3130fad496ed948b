# SPDX-License-Identifier: Apache-2.0
"""Trials on SUMO scenarios of any origin: the same demand under several ways of running the signals, measured alike."""
