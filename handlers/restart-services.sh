#!/bin/sh
# Restarts services, one after the other.
#
# Usage: restart-services.sh USER SERVICE...
#
#   USER     who asks the service manager; empty for the user that this runs as
#   SERVICE  a service; one argument may name several, with spaces between
#
# Knows systemd and OpenRC where they run, services that s6 supervises, and init scripts by
# way of `service`. A service that does not run is started. The first that does not restart
# ends this.
#
# The agent itself may be among them. This then ends with it, and runs again as another
# attempt, which only makes sure that what was restarted before is started.
#
# Exit status: 0 when all are restarted, the service manager's own when it fails, 1 when there
# is none or when this cannot run as USER, 2 for wrong arguments.

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
        *" $name "*) control start "$name" ;;
        *)
            asked="$asked $name"
            remember "$asked"
            control restart "$name"
            ;;
    esac
    say "Restarted $name."
done
