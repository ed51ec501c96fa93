# shellcheck shell=bash
# The programs that are not Python packages: by apt as root, else the user is told.

# require_programs PROGRAM…: makes sure that all are there.
require_programs() {
    local program missing=()
    for program in "$@"; do
        have "$program" || missing+=("$(package_of "$program")")
    done
    [ ${#missing[@]} != 0 ] || return 0
    apt_install "${missing[@]}" || die "please install: ${missing[*]}"
    # The tests start a mosquitto of their own; nobody asked for one on the network.
    [[ " ${missing[*]} " != *" mosquitto "* ]] || update-rc.d mosquitto disable >&2
}

# package_of PROGRAM: the Debian package that brings it.
package_of() {
    case $1 in
        pivot_root | setpriv | unshare) echo util-linux ;;
        ip) echo iproute2 ;;
        tinyproxy) echo tinyproxy-bin ;; # the program without its service
        *) echo "$1" ;;
    esac
}

# apt_install PACKAGE…: fails where this user cannot install packages.
apt_install() {
    [ "$(id -u)" = 0 ] && have apt-get || return 1
    say "installing $* with apt"
    apt_as_root update || say "not all of apt's sources could be read; trying nevertheless"
    without_services apt_as_root install --yes --no-install-recommends "$@"
}

apt_as_root() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -q -o Dpkg::Use-Pty=0 \
        -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2
}

# without_services COMMAND…: packages that COMMAND installs do not start their
# services (mosquitto has one), by Debian's policy-rc.d.
without_services() (
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    "$@"
)
