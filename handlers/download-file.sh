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

# Sets `url`, which is what a server can be asked for, and `shown_url`, the part of it that
# may be printed.
read_url() {
    case $1 in
        *[[:cntrl:]]*) misuse "the URL has control characters" ;;
    esac
    scheme=$(printf '%s\n' "${1%%://*}" | tr '[:upper:]' '[:lower:]')
    case $scheme:$1 in
        http:*://?* | https:*://?* | ftp:*://?*) ;;
        *) misuse "the URL is not of http, https or ftp" ;;
    esac
    rest=${1#*://}
    # What is behind a # is for the reader of a page alone.
    rest=${rest%%#*}
    host=${rest%%[/?]*}
    case $host in
        "" | *[[:space:]]*) misuse "the URL has no host, or spaces in it" ;;
    esac
    url=$scheme://$host$(printf '%s\n' "${rest#"$host"}" | escape)
    shown_url=$(printf '%s\n' "$url" | without_secrets)
}

# Escapes what no URL can have, and nothing that is escaped already.
escape() {
    LC_ALL=C awk '
        BEGIN { for (code = 1; code < 256; code++) number[sprintf("%c", code)] = code }
        {
            for (at = 1; at <= length($0); at++) {
                character = substr($0, at, 1)
                if (character == "%")
                    wrong = substr($0, at, 3) !~ /^%[0-9A-Fa-f][0-9A-Fa-f]$/
                else
                    wrong = index(" \"<>\\^`{|}", character) || number[character] > 126
                printf wrong ? "%%%02X" : "%c", number[character]
            }
        }'
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

# Blanks the user and the query of the URLs in what is told.
without_secrets() {
    sed -e 's|://[^/?#[:space:]]*@|://|g' -e 's|\(://[^?#[:space:]]*\)[?#][^[:space:]]*|\1|g'
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

fetch() {
    if have curl; then
        as_user curl --fail --location --silent --show-error --globoff --connect-timeout 30 \
            --speed-limit 1 --speed-time "$stall_seconds" --output "$temporary" "$1"
    elif wget --version 2>/dev/null | grep -q GNU; then
        as_user wget --no-verbose --tries=1 --timeout="$stall_seconds" \
            --output-document="$temporary" "$1"
    elif wget --help 2>&1 | grep -q -e '-T SEC'; then
        as_user wget -q -T "$stall_seconds" -O "$temporary" "$1"
    else
        as_user wget -q -O "$temporary" "$1"
    fi
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
read_url "$2"
read_target "$3"
have curl || have wget || die "there is neither curl nor wget"

temporary=$(as_user mktemp "$folder/.download.XXXXXX")
on_exit remove_temporary
status=0
messages=$(fetch "$url" 2>&1 >/dev/null) || status=$?
[ "$status" = 0 ] ||
    fail "$status" "could not download $shown_url: $(printf '%s\n' "$messages" | without_secrets)"
check_server
check_sum
put_in_place
say "Downloaded $shown_url to $file."
