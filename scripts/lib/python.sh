# shellcheck shell=bash
# The Python that Home Assistant needs: on PATH, from uv, or from Debian.

# As requires-python in pyproject.toml, below what Home Assistant does not know yet.
python_wanted='>=3.14.2,<3.15'

# Prints the interpreter's path. Needs uv's path in $uv.
find_python() {
    system_python || unpacked_debian_python ||
        { uv_python && system_python; } ||
        debian_python ||
        die "no Python $python_wanted here, and none could be got: please install one"
}

system_python() {
    "$uv" python find --system --no-python-downloads "$python_wanted" 2>/dev/null
}

# Fails at once where the place of uv's downloads cannot be reached.
uv_python() {
    say "getting Python 3.14 with uv"
    UV_HTTP_RETRIES=0 "$uv" python install --quiet --no-bin 3.14 2>/dev/null
}
