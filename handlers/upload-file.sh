#!/bin/sh
# Uploads a file by a presigned URL, as Amazon S3 takes it.
#
# Usage: upload-file.sh USER FILE URL
#
#   USER      who reads the file; empty for the user that this runs as
#   FILE      what to upload; a relative path is below USER's home
#   URL       an http or https address that takes a PUT; in a job document
#             ${aws:iot:s3-presigned-url-upload:https://s3.REGION.amazonaws.com/BUCKET/KEY}
#
# Needs curl or GNU wget. The file is sent in one go: Amazon S3 takes up to 5 GB so. The query
# of the URL, which is a signature, is never printed. A redirect is not followed: the URL names
# who gets the file.
#
# Exit status: 0 when the server has taken it, that of curl or wget when it fails, 1 for all
# other failures, 2 for wrong arguments.

# shellcheck source-path=SCRIPTDIR
set -euf
lib=$(dirname "$(readlink -f "$0")")/lib
# shellcheck source=lib/handler.sh
. "$lib/handler.sh"
# shellcheck source=lib/url.sh
. "$lib/url.sh"

max_bytes=5368709120

# Sets `file` and its `size` in bytes.
read_file() {
    file=$1
    case $file in
        "") misuse "FILE is empty" ;;
        /*) ;;
        *) file=$user_home/$file ;;
    esac
    as_user test -e "$file" || die "there is no file $file"
    as_user test -f "$file" || die "$file is not a regular file"
    as_user test -r "$file" || die "user $user may not read $file"
    size=$(as_user stat -L -c %s "$file")
    [ "$size" -le "$max_bytes" ] || die "$file has $size bytes: one request takes 5 GB at most"
}

# Has `answer` be what the server says, and `code` its HTTP status, 000 for none.
send_with_curl() {
    answer=$(as_user curl --silent --show-error --globoff --connect-timeout 30 \
        --speed-limit 1 --speed-time 60 --upload-file "$file" \
        --write-out '\n%{http_code}' "$url" 2>&1) || status=$?
    code=$(printf '%s\n' "$answer" | sed -n '$p')
}

send_with_wget() {
    answer=$(as_user wget --no-verbose --server-response --tries=1 --timeout=60 \
        --max-redirect=0 --content-on-error --method=PUT --body-file="$file" \
        --header='Content-Type: application/octet-stream' --output-document=- "$url" 2>&1) ||
        status=$?
    code=$(printf '%s\n' "$answer" | sed -n 's|^ *HTTP/[0-9.]* \([0-9]*\).*|\1|p' | sed -n '$p')
    # wget fails with 8 for each status that is no success.
    [ "$status" != 8 ] || status=0
}

# What S3 says in XML: its code and its message have no secret.
words_of() {
    line=$(printf '%s\n' "$1" | tr '\n' ' ')
    for element in Code Message; do
        printf '%s\n' "$line" | sed -n "s|.*<$element>\([^<]*\)</$element>.*|: \1|p" | tr -d '\n'
    done
}

begin "$@"
[ $# = 3 ] || misuse "expected USER, FILE and URL"
read_url "$3" "http https"
read_file "$2"

status=0
if have curl; then
    send_with_curl
elif have wget && wget --version 2>/dev/null | grep -q GNU; then
    send_with_wget
else
    die "there is neither curl nor GNU wget"
fi
case $status:$code in
    0:2*) say "Uploaded $file to $shown_url ($size bytes)." ;;
    0:3*) die "$shown_url leads elsewhere: the URL must name the region of its bucket" ;;
    0:[45]*) die "could not upload to $shown_url: HTTP status $code$(words_of "$answer")" ;;
    0:*) die "could not upload to $shown_url: no HTTP status in the answer" ;;
    *)
        fail "$status" "could not upload to $shown_url:" \
            "$(printf '%s\n' "$answer" | sed '/^[0-9]\{3\}$/d' | without_secrets | tr '\n' ' ')"
        ;;
esac
