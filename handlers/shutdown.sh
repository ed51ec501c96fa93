#!/bin/sh
# Powers the machine off a minute later, so that the result can be reported before.
#
# Usage: shutdown.sh USER
#
#   USER  who powers off; empty for the user that this runs as
#
# With systemd this is `shutdown -h +1`, which `shutdown -c` takes back. Elsewhere a process
# of root waits for that minute.
#
# When the machine goes down too early for the result, this runs again as another attempt when
# it is up again. It then succeeds, and does not power off for a second time.
#
# Exit status: 0 when the shutdown is on its way, the shutdown command's own when it fails, 1
# when there is no such command or when this cannot run as USER.

# shellcheck source-path=SCRIPTDIR
set -euf
lib=$(dirname "$(readlink -f "$0")")/lib
# shellcheck source=lib/handler.sh
. "$lib/handler.sh"
# shellcheck source=lib/memory.sh
. "$lib/memory.sh"

boot_id_file=/proc/sys/kernel/random/boot_id
systemd_runs=/run/systemd/system
delay_seconds=60

request_shutdown() {
    if [ -d "$systemd_runs" ] && have shutdown; then
        # It tells on stderr that it succeeds.
        as_user shutdown -h +1 2>&1
    elif have poweroff; then
        power_off_later poweroff
    elif have shutdown; then
        power_off_later 'shutdown -h now'
    else
        say "There is no command to power off with." >&2
        return 1
    fi
}

# power_off_later COMMAND: in a session of its own, as what a step leaves in its process group
# ends with it. The substitution lasts until that session has begun.
power_off_later() {
    if [ "$user_id" != 0 ]; then
        say "Only root may power off." >&2
        return 1
    fi
    # shellcheck disable=SC2016 # for that shell to expand
    begun=$(as_user sh -c 'setsid sh -c "$1" 2>/dev/null &' sh \
        "echo begun; exec >/dev/null; sleep $delay_seconds; $1")
    [ "$begun" = begun ]
}

begin "$@"
boot_id=$(cat "$boot_id_file")
known_boot_id=$(recall)
if [ -n "$known_boot_id" ] && [ "$known_boot_id" != "$boot_id" ]; then
    say "The machine was shut down, and is up again."
    exit 0
fi

remember "$boot_id"
request_shutdown </dev/null || {
    status=$?
    forget
    fail_as_user "$status" "could not ask for a shutdown, exit status $status"
}
say "The machine powers off in one minute."
