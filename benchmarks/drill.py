# SPDX-License-Identifier: Apache-2.0
"""A feeder cut at 18:00 in the demo city, with lamplighter and without: the figures of docs/how-to/drill-an-outage.md.

    python benchmarks/drill.py --seeds 1,2,3 --json benchmarks/results/drill.json

Five runs a seed of 95 minutes of city time; about the processor time of five arms of `lamplighter evaluate`.
"""

import sys

from lamplighter.cli import main

DEFAULTS = ("--city", "adlershof", "--at", "18:00", "--before", "20", "--after", "75")

if __name__ == "__main__":
    sys.argv = ["lamplighter", "drill", *DEFAULTS, *sys.argv[1:]]
    main()
