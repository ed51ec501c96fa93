# shellcheck shell=sh
# What an earlier attempt of a step leaves to the next one.
#
# When the agent or the machine is restarted, the step that ran begins again, with
# AWS_IOT_JOBS_ATTEMPT one higher. The job's directory outlives the restart, but not the job:
# what is remembered there can be mistaken neither for another job nor for another step.

attempt=${AWS_IOT_JOBS_ATTEMPT:-1}
memory=$job_directory/${0##*/}.${AWS_IOT_JOBS_STEP:-1}

# Prints what an earlier attempt remembered. The first attempt knows of nothing.
recall() {
    if [ -n "$job_directory" ] && [ "$attempt" -gt 1 ] && [ -f "$memory" ]; then
        cat "$memory"
    fi
}

# remember TEXT: instead of what was remembered before. Without a job there is nothing to do.
remember() {
    [ -n "$job_directory" ] || return 0
    forget
    # The directory may be another user's: a new file never goes where a link points.
    (
        set -C
        printf '%s\n' "$1" >"$memory"
    )
    # The machine may go down at once.
    sync
}

forget() {
    rm -f "$memory"
}
