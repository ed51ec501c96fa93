#!/bin/sh
# Stops services, one after the other.
#
# Usage: stop-services.sh USER SERVICE...
#
#   USER     who asks the service manager; empty for the user that this runs as
#   SERVICE  a service; one argument may name several, with spaces between
#
# Knows systemd and OpenRC where they run, services that s6 supervises, and init scripts by
# way of `service`. A service that does not run is no failure. The first that does not stop
# ends this.
#
# When this is itself ended by what it stops, and runs again as another attempt, it does not
# stop that service for a second time: it fails if the service runs.
#
# Exit status: 0 when all are stopped, the service manager's own when it fails, 1 when there
# is none, when one runs again or when this cannot run as USER, 2 for wrong arguments.

# shellcheck source-path=SCRIPTDIR
set -euf
lib=$(dirname "$(readlink -f "$0")")/lib
# shellcheck source=lib/handler.sh
. "$lib/handler.sh"
# shellcheck source=lib/services.sh
. "$lib/services.sh"
# shellcheck source=lib/memory.sh
. "$lib/memory.sh"

begin "$@"
[ $# = 0 ] || shift
# shellcheck disable=SC2048,SC2086 # job templates pass all of them in one argument
set -- $*
check_names service "$service_characters" "$@"

asked=$(recall)
for name in "$@"; do
    case " $asked " in
        *" $name "*)
            ! is_running "$name" ||
                die "$name was asked to stop before this attempt, and it runs"
            ;;
        *)
            asked="$asked $name"
            remember "$asked"
            control stop "$name"
            ;;
    esac
    say "Stopped $name."
done
