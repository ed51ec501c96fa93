#!/bin/sh
# Tells how the machine is: uptime, load, memory and disk.
#
# Usage: health-check.sh USER
#
#   USER  who looks; empty for the user that this runs as
#
# Exit status: 0, or 1 when this cannot run as USER.

# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2016 # awk expands its own
set -euf
lib=$(dirname "$(readlink -f "$0")")/lib
# shellcheck source=lib/handler.sh
. "$lib/handler.sh"

# report FILE PROGRAM: what awk makes of the file, which not every system has.
report() {
    as_user awk "$2" "$1" 2>/dev/null || :
}

begin "$@"
report /proc/uptime '{
    printf "Uptime: %d d %d h %d min\n", $1 / 86400, $1 % 86400 / 3600, $1 % 3600 / 60
}'
report /proc/loadavg '{ print "Load in 1, 5 and 15 minutes: " $1 ", " $2 ", " $3 }'
report /proc/meminfo '
    { size[$1] = $2 }
    END {
        printf "Memory: %d of %d MiB available\n",
            size["MemAvailable:"] / 1024, size["MemTotal:"] / 1024
    }'
# The job's directory is on the disk that the agent keeps its files on.
as_user df -P -k / ${job_directory:+"$job_directory"} 2>/dev/null | awk '
    NR > 1 && !seen[$6]++ {
        printf "Disk at %s: %d of %d MiB free, %s used\n", $6, $4 / 1024, $2 / 1024, $5
    }'
