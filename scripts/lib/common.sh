# shellcheck shell=bash
# What every part of the set-up uses: words to the user, and where things are kept.

# Shared by all checkouts: uv and Python, where the machine has none.
cache_dir="${XDG_CACHE_HOME:-$HOME/.cache}/aws-iot-jobs"

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
    say "$@"
    exit 1
}

# have PROGRAM: daemons such as mosquitto are often not on a user's PATH.
have() {
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null
}

# version_at_least VERSION WANTED
version_at_least() {
    [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}
