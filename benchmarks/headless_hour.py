# SPDX-License-Identifier: Apache-2.0
"""How long the demo takes: an hour of the evening with and without, headless, as a whole process.

python benchmarks/headless_hour.py [runs]
"""

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> int:
    """Run the hour and print wall and processor seconds of each run."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    sys.stdout.write(f"{machine}; load average before {os.getloadavg()[0]:.2f}\n")
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-m", "lamplighter", "demo", "--headless", "--minutes", "60", "--seed", "1"]
        for run in range(runs):
            begun = time.perf_counter()
            subprocess.run([*line, "--json", str(Path(folder) / "out.json")], check=True, capture_output=True)
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            sys.stdout.write(
                f"run {run + 1}: {time.perf_counter() - begun:.1f} s wall; peak {used.ru_maxrss / 1024:.0f} MB a process\n"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
