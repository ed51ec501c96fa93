# shellcheck shell=sh
# Works as the user that a job names: `become USER`, then `as_user COMMAND [ARGUMENT...]`.
# There is no fallback. Where the user is unknown, or there is no means to become it, the
# handler ends before it has done anything.

# become USER: an empty one stays the user that the handler runs as. Sets `user`, `user_id`
# and `user_home`.
become() {
    own_id=$(id -u)
    if [ -z "$1" ]; then
        user=$(id -un 2>/dev/null) || user=$own_id
        user_id=$own_id
        user_home=${HOME:-/}
        switch=none
        return
    fi
    user=$1
    find_user
    find_switch
    as_user true || die "cannot run as user '$user': nothing was done"
}

# Sets `user_id`, `group_id` and `user_home`.
find_user() {
    case $user in
        -* | *:*) entry= ;;
        *) entry=$(user_entry "$user") ;;
    esac
    [ -n "$entry" ] || die "there is no user '$user' on this system: nothing was done"
    user_id=$(printf '%s\n' "$entry" | cut -d : -f 3)
    group_id=$(printf '%s\n' "$entry" | cut -d : -f 4)
    user_home=$(printf '%s\n' "$entry" | cut -d : -f 6)
}

# user_entry NAME: its line of the user database. A number is not a name, though getent
# takes it for one.
user_entry() {
    if have getent; then
        getent passwd "$1"
    else
        cat /etc/passwd
    fi | name=$1 awk -F : '$1 == ENVIRON["name"] { print; exit }'
}

# Sets `switch`, the means to become the user.
find_switch() {
    if [ "$user_id" = "$own_id" ]; then
        switch=none
    elif [ "$own_id" != 0 ]; then
        have sudo || die "cannot run as user '$user': this is not root, and there is no sudo"
        switch=sudo
    elif setpriv_can_switch; then
        switch=setpriv
    elif have su-exec; then
        switch=su-exec
    elif have runuser; then
        switch=runuser
    elif have su; then
        switch=su
    else
        die "cannot run as user '$user': there is no setpriv, su-exec, runuser or su"
    fi
}

# That of BusyBox cannot.
setpriv_can_switch() {
    have setpriv && setpriv --help 2>&1 | grep -q -e --reuid
}

# The user's own shell may be one that lets nobody in; su needs one.
# shellcheck disable=SC2016 # for that shell to expand
exec_arguments='exec "$0" "$@"'

as_user() {
    case $switch in
        none) "$@" ;;
        sudo) sudo -n -H -u "$user" -- "$@" ;;
        setpriv) as_at_home setpriv --reuid="$user_id" --regid="$group_id" --init-groups -- "$@" ;;
        su-exec) as_at_home su-exec "$user" "$@" ;;
        runuser) as_at_home runuser -u "$user" -- "$@" ;;
        su) as_at_home su -s /bin/sh -c "$exec_arguments" -- "$user" "$@" ;;
    esac
}

as_at_home() {
    env HOME="$user_home" USER="$user" LOGNAME="$user" "$@"
}
