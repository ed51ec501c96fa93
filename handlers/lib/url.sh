# shellcheck shell=sh
# What handlers need that are given a URL, which may be a presigned one: its query is a secret.

# read_url URL SCHEMES: sets `url`, which is what a server can be asked for, and `shown_url`,
# the part of it that may be printed.
read_url() {
    case $1 in
        *[[:cntrl:]]*) misuse "the URL has control characters" ;;
    esac
    scheme=$(printf '%s\n' "${1%%://*}" | tr '[:upper:]' '[:lower:]')
    case " $2 " in
        *" $scheme "*) ;;
        *) misuse "the URL is not of $(printf '%s\n' "$2" | sed 's/ \([^ ]*\)$/ or \1/; s/ \(.*or\)/, \1/')" ;;
    esac
    case $1 in
        *://?*) ;;
        *) misuse "the URL has no host, or spaces in it" ;;
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

# Blanks the user and the query of the URLs in what is told.
without_secrets() {
    sed -e 's|://[^/?#[:space:]]*@|://|g' -e 's|\(://[^?#[:space:]]*\)[?#][^[:space:]]*|\1|g'
}
