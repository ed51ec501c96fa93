#!/bin/sh
# Starts services, one after the other.
#
# Usage: start-services.sh USER SERVICE...
#
#   USER     who asks the service manager; empty for the user that this runs as
#   SERVICE  a service; one argument may name several, with spaces between
#
# Knows systemd and OpenRC where they run, services that s6 supervises, and init scripts by
# way of `service`. A service that runs already is no failure. The first that does not start
# ends this.
#
# Exit status: 0 when all are started, the service manager's own when it fails, 1 when there
# is none or when this cannot run as USER, 2 for wrong arguments.

# shellcheck source-path=SCRIPTDIR
set -euf
lib=$(dirname "$(readlink -f "$0")")/lib
# shellcheck source=lib/handler.sh
. "$lib/handler.sh"
# shellcheck source=lib/services.sh
. "$lib/services.sh"

begin "$@"
[ $# = 0 ] || shift
# shellcheck disable=SC2048,SC2086 # job templates pass all of them in one argument
set -- $*
check_names service "$service_characters" "$@"

for name in "$@"; do
    control start "$name"
    say "Started $name."
done
