# shellcheck shell=sh
# The system's service managers, and what they do to one service.

service_characters='A-Za-z0-9:_.@\\-'
systemd_runs=/run/systemd/system
openrc_runs=/run/openrc/softlevel
s6_folders='/run/service /run/s6/services'
s6_wait_milliseconds=60000

# control start|stop|restart SERVICE: ends the handler on failure.
control() {
    action=$1
    service=$2
    find_service_manager
    status=0
    case $service_manager in
        systemd) as_user systemctl --no-ask-password "$action" "$service" ;;
        openrc) as_user rc-service "$service" "$action" ;;
        s6) "s6_$action" ;;
        service) as_user service "$service" "$action" ;;
    esac </dev/null || status=$?
    [ "$status" = 0 ] ||
        fail_as_user "$status" "could not $action $service, exit status $status of $service_manager"
}

# is_running SERVICE
is_running() {
    service=$1
    find_service_manager
    case $service_manager in
        systemd) as_user systemctl is-active --quiet "$service" ;;
        openrc) as_user rc-service "$service" status ;;
        s6) as_user s6-svstat -o up "$s6_service" | grep -qx true ;;
        service) as_user service "$service" status ;;
    esac </dev/null >/dev/null 2>&1
}

# Sets `service_manager`: one that runs. Where s6 supervises a container, other services of it
# may still have scripts.
find_service_manager() {
    if [ -d "$systemd_runs" ] && have systemctl; then
        service_manager=systemd
    elif [ -e "$openrc_runs" ] && have rc-service; then
        service_manager=openrc
    elif have s6-svc && find_s6_service; then
        service_manager=s6
    elif have service; then
        service_manager=service
    else
        die "found nothing here that manages $service: neither systemd, OpenRC nor s6 runs it, and there is no 'service'"
    fi
}

find_s6_service() {
    for folder in $s6_folders; do
        s6_service=$folder/$service
        [ ! -d "$s6_service" ] || return 0
    done
    return 1
}

s6_start() {
    as_user s6-svc -u -wu -T "$s6_wait_milliseconds" "$s6_service"
}

s6_stop() {
    as_user s6-svc -d -wd -T "$s6_wait_milliseconds" "$s6_service"
}

s6_restart() {
    s6_stop && s6_start
}
