# shellcheck shell=bash
# A small Debian to unpack somewhere, by debootstrap. Needs lib/debian-python.sh's mirror.

# debian_root NAME RELEASE [OPTION…]: prints the path of the archive of that name, which is
# made once, with these options of debootstrap's.
debian_root() {
    local archive="$cache_dir/$1.tar"
    shift
    [ -e "$archive" ] || make_debian_root "$archive" "$@"
    echo "$archive"
}

# make_debian_root FILE RELEASE [OPTION…]: all or nothing, as it appears by a rename.
make_debian_root() (
    file=$1 release=$2
    shift 2
    say "making a base of Debian $release; this takes a minute"
    mkdir -p "$cache_dir"
    work=$(mktemp -d "$cache_dir/base.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    debootstrap --variant=minbase "$@" "$release" "$work/root" "$(debian_mirror)" >"$work/log" ||
        { cat "$work/log" >&2; exit 1; }
    # Without the packages, which are installed.
    tar --directory "$work/root" --create --file "$work/root.tar" \
        --exclude="./var/cache/apt/archives/*.deb" .
    mv "$work/root.tar" "$file"
)
