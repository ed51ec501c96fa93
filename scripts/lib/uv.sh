# shellcheck shell=bash
# uv: the one on PATH where it is new enough, else one of our own from PyPI.

uv_oldest=0.9
uv_own=0.13.9

# Prints the path of uv, fetching it when there is none.
find_uv() {
    local own="$cache_dir/uv-$uv_own"
    if version_at_least "$(uv --version 2>/dev/null | cut -d ' ' -f 2)" "$uv_oldest"; then
        command -v uv
        return
    fi
    if [ ! -x "$own" ]; then
        say "getting uv $uv_own from PyPI"
        fetch_uv "$own" ||
            die "cannot get uv; see https://docs.astral.sh/uv/getting-started/installation/"
    fi
    echo "$own"
}

# fetch_uv TARGET: with pip, which knows the package index that this machine uses.
fetch_uv() (
    have python3 || return 1
    python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv || return 1
    work=$(mktemp -d "$cache_dir/uv.XXXXXX") || return 1
    trap 'rm -rf "$work"' EXIT
    python3 -m venv "$work" &&
        "$work/bin/python" -m pip --disable-pip-version-check install -q "uv==$uv_own" >&2 &&
        mv "$work/bin/uv" "$1"
)
