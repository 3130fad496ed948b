# SPDX-License-Identifier: Apache-2.0
"""`python -m lamplighter` does what the command `lamplighter` does."""

from lamplighter.cli import main

if __name__ == "__main__":  # pragma: no branch - importing this module changes nothing
    main()
