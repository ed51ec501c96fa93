#!/bin/sh
# Installs packages with the system's package manager.
#
# Usage: install-packages.sh USER PACKAGE...
#
#   USER     who the package manager runs as; empty for the user that this runs as
#   PACKAGE  a package; one argument may name several, with spaces between
#
# Knows apt, apk, dnf, yum, zypper, pacman and opkg. Nothing is asked: configuration files that
# were changed stay as they are. Package lists are renewed when they lack a package; apt's
# also when they are a day old. When another process holds the package manager's lock, this
# waits for up to 5 minutes.
#
# Exit status: 0 when all are installed, the package manager's own when it fails, 1 when there
# is none or when this cannot run as USER, 2 for wrong arguments.

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
install_packages "$@"
