# shellcheck shell=bash
# Python 3.14 for a Debian that has none and cannot download one from uv's
# usual place: the packages of a newer Debian release, unpacked (not installed)
# into the user's cache together with the libraries that they load.

debian_release=forky
debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Everything that the interpreter loads must come from the same release, its C
# library first of all. patchelf makes it find them.
debian_python_packages=(
    python3.14 python3.14-minimal python3.14-venv
    libpython3.14-minimal libpython3.14-stdlib libpython3.14-dev
    libc6 libgcc-s1 libstdc++6 libexpat1 zlib1g libssl3t64 libffi8 libsqlite3-0
    libbz2-1.0 liblzma5 libzstd1 libncursesw6 libtinfo6 libreadline8t64
    libuuid1 libdb5.3t64
    patchelf
)

debian_python_prefix="$cache_dir/python-3.14-$debian_release"

# Prints the interpreter's path. Fails where Debian's packages cannot be read.
debian_python() {
    [ -e "$debian_keyring" ] || return 1
    say "getting Python 3.14 from Debian $debian_release"
    unpack_debian_python "$debian_python_prefix" && unpacked_debian_python
}

# Prints the path of the interpreter that an earlier set-up unpacked, if one did.
unpacked_debian_python() {
    local python="$debian_python_prefix/usr/bin/python3.14"
    "$python" -c '' 2>/dev/null && echo "$python"
}

# unpack_debian_python PREFIX: all or nothing, as the prefix appears by a rename.
unpack_debian_python() (
    prefix=$1
    work=$(mktemp -d "$cache_dir/python.XXXXXX") || return 1
    trap 'rm -rf "$work"' EXIT
    download_debian_packages "$work" "${debian_python_packages[@]}" || return 1
    for package in "$work"/packages/*.deb; do
        dpkg-deb --extract "$package" "$work/root" || return 1
    done
    bind_debian_python "$work/root" "$prefix" || return 1
    rm -rf "$prefix"
    mv "$work/root" "$prefix"
)

# bind_debian_python ROOT PREFIX: makes the interpreter below ROOT load nothing
# of this system's, but the libraries beside it once ROOT is renamed to PREFIX.
bind_debian_python() {
    local root=$1 prefix=$2 loader libraries
    loader=$(cd "$root" && echo usr/lib/*-linux-gnu/ld-linux*.so.*)
    libraries=${loader%/*}
    patchelf() {
        "$root/$loader" --library-path "$root/$libraries" "$root/usr/bin/patchelf" "$@" \
            "$root/usr/bin/python3.14"
    }
    # Two runs, in this order: otherwise the binary crashes when it starts.
    patchelf --force-rpath --set-rpath "$prefix/$libraries" &&
        patchelf --set-interpreter "$prefix/$loader"
}

# download_debian_packages FOLDER PACKAGE…: into FOLDER/packages. The lists are
# read into FOLDER too, so those of the system stay as they are.
download_debian_packages() (
    cd "$1" || return 1
    shift
    mkdir -p lists/partial archives/partial packages
    echo "deb [signed-by=$debian_keyring] $(debian_mirror) $debian_release main" >sources.list
    apt=(
        apt-get -q -q
        -o "Dir::Etc::sourcelist=$PWD/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::Lists=$PWD/lists" -o "Dir::Cache=$PWD"
        -o APT::Sandbox::User=root -o Acquire::Languages=none
    )
    # A mirror that lags behind has an expired index, whose signature counts all the same.
    "${apt[@]}" -o Acquire::Check-Valid-Until=false update >&2 || return 1
    cd packages && "${apt[@]}" download "$@" >&2
)

# The mirror that this system uses itself.
debian_mirror() {
    local mirror
    # shellcheck disable=SC2016 # apt-get reads this
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Component: main' |
        grep '/debian/$' | head -n 1)
    echo "${mirror:-http://deb.debian.org/debian/}"
}
