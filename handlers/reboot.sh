#!/bin/sh
# Reboots the machine, and succeeds when it is up again.
#
# Usage: reboot.sh USER
#
#   USER  who asks for the reboot; empty for the user that this runs as
#
# The reboot ends this handler. When the agent is back it runs the step again, with
# AWS_IOT_JOBS_ATTEMPT one higher, and this succeeds if the kernel's boot ID is another one.
# If it is the same, the agent was restarted and the machine was not: this fails, and asks for
# no second reboot. So it does when the machine is still up after 5 minutes. What it has to
# remember lies in AWS_IOT_JOBS_DIR, which ends with the job.
#
# In a container, a reboot ends the container at most.
#
# Exit status: 0 when the machine has rebooted, the reboot command's own when it fails, 1 when
# nothing comes of it, when there is no such command or when this cannot run as USER.

# shellcheck source-path=SCRIPTDIR
set -euf
lib=$(dirname "$(readlink -f "$0")")/lib
# shellcheck source=lib/handler.sh
. "$lib/handler.sh"
# shellcheck source=lib/memory.sh
. "$lib/memory.sh"

boot_id_file=/proc/sys/kernel/random/boot_id
wait_seconds=300

request_reboot() {
    if have reboot; then
        as_user reboot
    elif have systemctl; then
        as_user systemctl --no-ask-password reboot
    elif have shutdown; then
        as_user shutdown -r now
    else
        say "There is no command to reboot with." >&2
        return 1
    fi
}

begin "$@"
[ -n "$job_directory" ] || die "AWS_IOT_JOBS_DIR is not set: this could not know when it is done"
boot_id=$(cat "$boot_id_file")
case $(recall) in
    "") ;;
    "$boot_id") die "this was interrupted, but not by a reboot: the boot ID is the same" ;;
    *)
        say "The machine has rebooted."
        exit 0
        ;;
esac

# On its way down, the system may end this before the agent, to whom that would be a failure.
trap '' HUP INT TERM
remember "$boot_id"
request_reboot </dev/null || {
    status=$?
    forget
    fail_as_user "$status" "could not ask for a reboot, exit status $status"
}
say "Asked for a reboot."
sleep "$wait_seconds"
forget
die "asked for a reboot, and the machine is still up after $wait_seconds seconds"
