# shellcheck shell=sh
# The system's package manager: which one it is, and how it is asked.

package_characters='A-Za-z0-9._+:=~@/<>()^-'
os_release_files='/etc/os-release /usr/lib/os-release'
apt_lists=/var/lib/apt/lists
lock_wait_seconds=300
lock_poll_seconds=5

# How the managers say that another process is at work, that this user may not, and that
# their lists lack what is wanted.
locked='could not (get )?lock|unable to (acquire|lock)|locked by|transaction lock'
forbidden='permission denied|not permitted|are you root|read-only|not implemented'
not_found='unable to locate|no installation candidate|unable to fetch|failed to fetch'
not_found="$not_found|version .* was not found|target not found|failed retrieving"
not_found="$not_found|unknown package|cannot install package|failed to download"

# Sets `manager`: the one that the distribution has by itself, or else any. More than one
# may be there, to look into foreign packages for instance.
find_package_manager() {
    for manager in $(native_managers) apt-get apk dnf yum zypper pacman opkg; do
        ! have "$manager" || return 0
    done
    die "found no package manager: neither apt, apk, dnf, yum, zypper, pacman nor opkg"
}

native_managers() {
    for distribution in $(distributions); do
        case $distribution in
            debian | ubuntu) say apt-get ;;
            alpine) say apk ;;
            fedora | rhel | centos) say dnf yum ;;
            suse | opensuse) say zypper ;;
            arch) say pacman ;;
            openwrt) say opkg apk ;;
        esac
    done
}

# Prints the distribution, and what it is like.
distributions() {
    for file in $os_release_files; do
        if [ -r "$file" ]; then
            sed -n -e 's/^ID=//p' "$file" | tr -d "\"'"
            sed -n -e 's/^ID_LIKE=//p' "$file" | tr -d "\"'"
            return
        fi
    done
}

# install_packages PACKAGE...: with new lists if need be. Ends the handler on failure.
install_packages() {
    keep_errors
    if lists_are_old; then
        update_lists
    elif ask_to install "$@"; then
        tell_errors
        return
    elif lists_lack_it; then
        update_lists
    else
        manager_failed
    fi
    ask_to install "$@" || manager_failed
    tell_errors
}

# remove_packages PACKAGE...: those that the system knows. Ends the handler on failure.
remove_packages() {
    keep_errors
    ask_to remove "$@" || manager_failed
    tell_errors
}

# is_installed PACKAGE
is_installed() {
    case $manager in
        apt-get) dpkg_states "$1" | grep -qx installed ;;
        apk) as_user apk info -e "$1" | grep -q . ;;
        pacman) as_user pacman -Qq "$1" ;;
        opkg) as_user opkg status "$1" | grep -q '^Status: .* installed$' ;;
        *) as_user rpm -q "$1" ;;
    esac >/dev/null 2>&1
}

# leaves_traces PACKAGE: it is installed, or its configuration files have stayed behind.
leaves_traces() {
    is_installed "$1" || { [ "$manager" = apt-get ] && dpkg_states "$1" | grep -qx config-files; }
}

# dpkg_states PACKAGE: one for each architecture.
dpkg_states() {
    # shellcheck disable=SC2016 # for dpkg-query to expand
    as_user dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null
}

# The other managers look by themselves, or say that they do not find a package.
lists_are_old() {
    [ "$manager" = apt-get ] || return 1
    [ -z "$(find "$apt_lists" -maxdepth 1 -name '*_Packages*' 2>/dev/null)" ] ||
        [ -z "$(find "$apt_lists/partial" -maxdepth 0 -mtime -1 2>/dev/null)" ]
}

lists_lack_it() {
    grep -qiE "$not_found" "$errors"
}

# Old lists may do, and the repository that does not answer may not be the one that is needed.
update_lists() {
    case $manager in
        apt-get | opkg) ask "$manager" update ;;
        pacman) ask pacman -Sy ;;
    esac || {
        cat "$errors"
        say "The package lists could not be renewed."
    }
}

# ask_to install|remove PACKAGE...
ask_to() {
    action=$1
    shift
    case $manager:$action in
        apt-get:install) apt_get install "$@" ;;
        apt-get:remove) apt_get remove --purge "$@" ;;
        apk:install) ask apk add --update-cache "$@" ;;
        apk:remove) ask apk del --purge "$@" ;;
        zypper:*) ask zypper --non-interactive "$action" "$@" ;;
        pacman:install) ask pacman -S --noconfirm --needed "$@" ;;
        pacman:remove) ask pacman -Rn --noconfirm "$@" ;;
        opkg:*) ask opkg "$action" "$@" ;;
        *) ask "$manager" "$action" -y "$@" ;;
    esac
}

# Configuration files that were changed stay, as nobody is there to be asked.
apt_get() {
    ask apt-get -y -q -o Dpkg::Use-Pty=0 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# ask MANAGER ARGUMENT...: again for as long as another process holds its lock. Leaves its
# stderr in the file $errors, and its exit status in $status.
ask() {
    give_up_at=$(($(date +%s) + lock_wait_seconds))
    while :; do
        status=0
        # A pipe would wait for the services that a package starts.
        as_user env DEBIAN_FRONTEND=noninteractive LC_MESSAGES=C "$@" \
            </dev/null 2>"$errors" || status=$?
        if ! is_locked || [ "$(date +%s)" -ge "$give_up_at" ]; then
            return "$status"
        fi
        say "Waiting for another process that holds the lock of $1."
        sleep "$lock_poll_seconds"
    done
}

is_locked() {
    [ "$status" != 0 ] && grep -qiE "$locked" "$errors" && ! grep -qiE "$forbidden" "$errors"
}

keep_errors() {
    errors=$(mktemp)
    on_exit forget_errors
}

forget_errors() {
    rm -f "$errors"
}

tell_errors() {
    cat "$errors" >&2
}

manager_failed() {
    tell_errors
    fail_as_user "$status" "$manager has failed with exit status $status"
}
