#!/bin/sh
# Succeeds when all of the packages are installed.
#
# Usage: verify-packages-installed.sh USER PACKAGE...
#
#   USER     who asks; empty for the user that this runs as
#   PACKAGE  a package; one argument may name several, with spaces between
#
# Asks dpkg, apk, rpm, pacman or opkg. A package of which only the configuration is left is
# not installed.
#
# Exit status: 0 when all are installed, 1 when one is not, when there is no package manager
# or when this cannot run as USER, 2 for wrong arguments.

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

missing=
for package in "$@"; do
    if is_installed "$package"; then
        say "$package is installed."
    else
        missing="$missing $package"
    fi
done
[ -z "$missing" ] || die "not installed:$missing"
