#!/bin/sh
# Removes packages, and their configuration, with the system's package manager.
#
# Usage: remove-packages.sh USER PACKAGE...
#
#   USER     who the package manager runs as; empty for the user that this runs as
#   PACKAGE  a package; one argument may name several, with spaces between
#
# Knows apt, apk, dnf, yum, zypper, pacman and opkg. A package that is not installed is no
# failure. When another process holds the package manager's lock, this waits for up to 5
# minutes.
#
# Exit status: 0 when none is installed any more, the package manager's own when it fails, 1
# when one is still installed, when there is no package manager or when this cannot run as
# USER, 2 for wrong arguments.

# shellcheck source-path=SCRIPTDIR
set -euf
lib=$(dirname "$(readlink -f "$0")")/lib
# shellcheck source=lib/handler.sh
. "$lib/handler.sh"
# shellcheck source=lib/packages.sh
. "$lib/packages.sh"

begin "$@"
[ $# = 0 ] || shift
# shellcheck disable=SC2048,SC2086 # job templates pass all of them in one argument
set -- $*
check_names package "$package_characters" "$@"
find_package_manager

present=
for package in "$@"; do
    if leaves_traces "$package"; then
        present="$present $package"
    else
        say "$package is not installed."
    fi
done
[ -n "$present" ] || exit 0

# shellcheck disable=SC2086 # names without spaces
remove_packages $present
for package in $present; do
    ! is_installed "$package" || die "$package is still installed"
done
