#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The one list of Debian and Ubuntu packages that lamplighter uses, each with the probe that tells whether it is
# missing and what needs it. Installs what is missing and nothing else; where nothing is missing it needs no root.
#
#   scripts/debian-packages.sh run      what running the demo city needs
#   scripts/debian-packages.sh test     that, and what the tests need besides
#   scripts/debian-packages.sh --check run|test     only say what is missing (exit 1 where anything is)
set -eu

check_only=no
if [ "${1:-}" = "--check" ]; then check_only=yes; shift; fi
purpose=${1:-run}
case "$purpose" in run | test) ;; *) echo "usage: $0 [--check] run|test" >&2; exit 2 ;; esac

library() { # is a shared library on the loader's path?
    ldconfig=$(command -v ldconfig || echo /sbin/ldconfig)
    "$ldconfig" -p 2>/dev/null | grep -q "[[:space:]]$1 "
}
browser() { program chromium || program chromium-browser; }
program() { command -v "$1" >/dev/null 2>&1; }
daemon() { program "$1" || [ -x "/usr/sbin/$1" ]; } # /usr/sbin is not on everybody's path
python_venv() { "${PYTHON:-python3}" -c "import ensurepip, venv" 2>/dev/null; }
some_font() { [ -n "$(find /usr/share/fonts -name '*.[to]tf' 2>/dev/null | head -n 1)" ]; }

missing=""
need() { # need PACKAGE WHAT-FOR PROBE...
    package=$1 reason=$2
    shift 2
    if ! "$@"; then
        missing="$missing $package"
        echo "missing: $package ($reason)"
    fi
}

need python3-venv "makes .venv" python_venv
need libgl1 "SUMO's engine links it" library libGL.so.1
need libx11-6 "SUMO's engine links it" library libX11.so.6
need libxext6 "SUMO's engine links it" library libXext.so.6
need libxrender1 "SUMO's engine links it" library libXrender.so.1
need libatomic1 "SUMO's engine links it" library libatomic.so.1
need libexpat1 "SUMO's tools link it" library libexpat.so.1
need zlib1g "SUMO's engine links it" library libz.so.1
if [ "$purpose" = test ]; then
    need git "the tidy test asks it which files are tracked" program git
    need chromium "the page is tested in it" browser
    need fonts-dejavu-core "so that the page's text is drawn" some_font
    need mosquitto "the MQTT connector is tested against it" daemon mosquitto
    need libmodbus5 "the Modbus connector is tested against it" library libmodbus.so.5
fi

[ -n "$missing" ] || exit 0
missing=${missing# }
install="apt-get install --yes --no-install-recommends $missing"
[ "$check_only" = no ] || exit 1

if ! program apt-get; then
    echo "This is not a Debian or Ubuntu machine: install what is named above with its own tools, then run make again." >&2
    exit 1
elif [ "$(id -u)" = 0 ]; then
    as_root=""
elif program sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root="sudo"
else
    echo "Installing these needs root, and neither root nor sudo is at hand. Run as root, then run make again:" >&2
    echo "    apt-get update && $install" >&2
    exit 1
fi
echo "installing: $missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # the words of $install and $as_root are meant to split
$as_root apt-get update -qq
if ! apt-cache show chromium >/dev/null 2>&1; then # Ubuntu's name for it
    install=$(printf '%s' "$install" | sed 's/ chromium\( \|$\)/ chromium-browser\1/')
fi
# shellcheck disable=SC2086 # as above
$as_root $install >/dev/null || {
    echo "apt-get failed. To see why, run: ${as_root:+$as_root }apt-get update && ${as_root:+$as_root }$install" >&2
    exit 1
}
