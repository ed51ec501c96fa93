#!/bin/sh
# Downloads a file, all of it or nothing.
#
# Usage: download-file.sh USER URL FILE [CHECKSUM]
#
#   USER      who downloads; empty for the user that this runs as
#   URL       an http, https or ftp address; spaces and the like in it are escaped
#   FILE      where to; a directory for the name that the URL has, unescaped as wget does it;
#             a relative path is below USER's home
#   CHECKSUM  optional: the SHA-256 that the file must have, as sha256:HEX or HEX
#
# A connection that breaks in the middle is made again, up to four times. What is missing is
# asked for then, if there is a CHECKSUM or the URL names the version of an object
# (versionId, as Amazon S3 has it); otherwise all of it.
#
# Needs curl or wget, with which it writes a temporary file beside FILE, and then renames it. A
# file that was there keeps its mode, and its owner where USER is root. The query of the URL,
# which may be a signature, is never printed.
#
# BusyBox's wget may be unable to check a server's certificate: without a CHECKSUM, what it
# fetches by https is then refused.
#
# Exit status: 0 when FILE is there, that of curl or wget when it fails, 1 for all other
# failures, 2 for wrong arguments.

# shellcheck source-path=SCRIPTDIR
set -euf
lib=$(dirname "$(readlink -f "$0")")/lib
# shellcheck source=lib/handler.sh
. "$lib/handler.sh"
# shellcheck source=lib/url.sh
. "$lib/url.sh"

stall_seconds=60

# Sets `checksum` to 64 hexadecimal digits in lower case, or to nothing.
read_checksum() {
    checksum=$(printf '%s' "${1#sha256:}" | tr A-F a-f)
    [ -n "$1" ] || return 0
    case $checksum in
        *[!0-9a-f]*) misuse "the checksum is neither sha256:HEX nor HEX" ;;
    esac
    [ ${#checksum} = 64 ] || misuse "a SHA-256 has 64 hexadecimal digits, not ${#checksum}"
    have sha256sum || die "cannot check the file: there is no sha256sum"
}

# Unescapes a file name, but for what would lead into another folder or cannot be printed.
unescape() {
    LC_ALL=C awk '
        {
            digits = "0123456789ABCDEF"
            for (at = 1; at <= length($0); at++) {
                escaped = toupper(substr($0, at, 3))
                if (escaped !~ /^%[0-9A-F][0-9A-F]$/) {
                    printf "%s", substr($0, at, 1)
                    continue
                }
                code = index(digits, substr(escaped, 2, 1)) * 16 - 16
                code += index(digits, substr(escaped, 3, 1)) - 1
                if (code < 32 || code == 47 || code == 127)
                    printf "%s", escaped
                else
                    printf "%c", code
                at += 2
            }
        }'
}

# Sets `file` to the path of a regular file that is there, or is to be.
read_target() {
    file=$1
    case $file in
        "") misuse "FILE is empty" ;;
        /*) ;;
        *) file=$user_home/$file ;;
    esac
    if as_user test -d "$file"; then
        file=${file%/}/$(name_in_url)
    fi
    case $file in
        */) die "there is no directory $file" ;;
    esac
    # A rename would put a file in the place of the link.
    if as_user test -L "$file"; then
        file=$(as_user readlink -f "$file")
    fi
    folder=$(dirname "$file")
    as_user test -d "$folder" || die "there is no directory $folder"
    ! as_user test -e "$file" || as_user test -f "$file" || die "$file is not a regular file"
}

name_in_url() {
    case ${shown_url#*://} in
        */*) name=${shown_url##*/} ;;
        *) name= ;;
    esac
    # How FTP transfers a file is no part of its name.
    case $url in
        ftp:*) name=${name%;type=[AaDdIi]} ;;
    esac
    name=$(printf '%s\n' "$name" | unescape)
    case $name in
        "" | . | ..) misuse "the URL has no file name, so FILE must have one" ;;
    esac
    printf '%s\n' "$name"
}

# fetch URL: downloads what is still missing of the temporary file, or all of it.
# shellcheck disable=SC2046 # an option, or nothing
fetch() {
    if have curl; then
        as_user curl --fail --location --silent --show-error --globoff --connect-timeout 30 \
            --speed-limit 1 --speed-time "$stall_seconds" --continue-at "$received" \
            --output "$temporary" "$1"
    elif wget --version 2>/dev/null | grep -q GNU; then
        as_user wget --no-verbose --tries=1 --timeout="$stall_seconds" \
            $(resume --continue) --output-document="$temporary" "$1"
    elif wget --help 2>&1 | grep -q -e '-T SEC'; then
        as_user wget -q -T "$stall_seconds" $(resume -c) -O "$temporary" "$1"
    else
        as_user wget -q $(resume -c) -O "$temporary" "$1"
    fi
}

# resume OPTION: prints the option where something has been received.
resume() {
    [ "$received" = 0 ] || printf '%s\n' "$1"
}

# Downloads the file. Once something of it has come, a connection that breaks is made again,
# and what is missing is asked for: all of it where nothing tells whether the rest would fit to
# what is here.
download() {
    received=0
    began=
    for pause in 1 2 4 8 ""; do
        status=0
        messages=$(fetch "$url" 2>&1 >/dev/null) || status=$?
        [ "$status" != 0 ] || return 0
        size=$(as_user stat -c %s "$temporary")
        [ "$size" = 0 ] || began=yes
        { [ -n "$began" ] && [ -n "$pause" ] && ! is_final; } || break
        sleep "$pause"
        if [ "$size" -gt "$received" ] && fits; then
            received=$size
        else
            received=0
            as_user truncate -s 0 "$temporary"
        fi
    done
    fail "$status" "could not download $shown_url: $(printf '%s\n' "$messages" | without_secrets)"
}

# Whether trying again is of no use: the server has said no, or there is no room.
is_final() {
    if have curl; then
        case $status in
            6 | 22 | 23 | 35 | 51 | 58 | 60 | 77) return 0 ;;
        esac
    else
        case $status in
            3 | 5 | 6) return 0 ;;
        esac
    fi
    case $messages in
        *" 40"[0-9]* | *"No space left"*) return 0 ;;
    esac
    return 1
}

# Whether the rest of the file is surely the rest of what has been received: its checksum will
# tell, or the URL names one version of an object for ever.
fits() {
    [ -n "$checksum" ] && return 0
    case $url in
        *[?\&]versionId=?*) return 0 ;;
    esac
    return 1
}

check_server() {
    case $checksum:$messages in
        :*"certificate validation not implemented"*)
            die "this wget cannot check the server's certificate: install curl, or give a checksum"
            ;;
    esac
}

check_sum() {
    [ -n "$checksum" ] || return 0
    found=$(as_user sha256sum "$temporary" | cut -c 1-64)
    [ "$found" = "$checksum" ] || die "the SHA-256 is $found, not $checksum"
}

# A file that was there keeps its mode and its owner.
put_in_place() {
    if as_user test -e "$file"; then
        as_user chown "$(as_user stat -c %u:%g "$file")" "$temporary" 2>/dev/null || :
        as_user chmod "$(as_user stat -c %a "$file")" "$temporary"
    else
        as_user chmod "$(printf %o $((0666 & ~0$(umask))))" "$temporary"
    fi
    as_user mv -f "$temporary" "$file"
}

remove_temporary() {
    as_user rm -f "$temporary"
}

begin "$@"
[ $# = 3 ] || [ $# = 4 ] || misuse "expected USER, URL, FILE and perhaps CHECKSUM"
read_checksum "${4-}"
read_url "$2" "http https ftp"
read_target "$3"
have curl || have wget || die "there is neither curl nor wget"

temporary=$(as_user mktemp "$folder/.download.XXXXXX")
on_exit remove_temporary
download
check_server
check_sum
put_in_place
say "Downloaded $shown_url to $file."
