# shellcheck shell=sh
# What all handlers share. A handler sources this file first, and then calls `begin`.

# shellcheck source=lib/run-as-user.sh
. "$lib/run-as-user.sh"

# A service that a step starts outlives it. It must not inherit this variable, by which the
# agent finds what a job has left behind.
# shellcheck disable=SC2034 # not all handlers use it
job_directory=${AWS_IOT_JOBS_DIR-}
unset AWS_IOT_JOBS_DIR

# begin [USER [ARGUMENT...]]: the handler's own arguments. Shows its help when asked to; from
# then on `as_user` works as USER.
begin() {
    case ${1-} in --help) show_help ;; esac
    case ${2-} in --help) show_help ;; esac
    become "${1-}"
    # Where the handler was started may be closed to that user.
    cd /
}

# The comment at the handler's head is its help.
show_help() {
    sed -n -e 1d -e '/^#/!q' -e 's/^# \{0,1\}//' -e p "$0"
    exit 0
}

say() {
    printf '%s\n' "$*"
}

# fail STATUS WORD...: ends the handler.
fail() {
    status=$1
    shift
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit "$status"
}

die() {
    fail 1 "$@"
}

# misuse WORD...: ends the handler because of its arguments.
misuse() {
    fail 2 "$*; see ${0##*/} --help"
}

# fail_as_user STATUS WORD...: ends the handler because a tool has failed with STATUS.
fail_as_user() {
    failed_with=$1
    shift
    if [ "$user_id" = 0 ]; then
        fail "$failed_with" "$*"
    fi
    fail "$failed_with" "$* (it ran as user $user, who may not be allowed to; see runAsUser)"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# check_names KIND CHARACTERS NAME...: takes only what no tool can take for an option or a
# pattern, or for the wish to do the opposite ("name-").
check_names() {
    kind=$1
    characters=$2
    shift 2
    [ $# -gt 0 ] || misuse "no $kind is given"
    for name in "$@"; do
        case $name in
            [!A-Za-z0-9_@./]* | *[!$characters]* | *-) misuse "'$name' cannot be a $kind" ;;
        esac
    done
}

# on_exit FUNCTION: calls it when the handler ends, also when a signal ends it.
on_exit() {
    # shellcheck disable=SC2064 # the name does not change
    trap "$1" EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}
