#!/bin/sh
# Unpacks an archive into a folder, all of it or nothing.
#
# Usage: unpack-file.sh USER ARCHIVE FOLDER
#
#   USER      who unpacks it; empty for the user that this runs as
#   ARCHIVE   its name ends with .zip, .tar, .tar.gz or .tgz
#   FOLDER    where to; what is there is replaced by what is in ARCHIVE. The folder that it
#             lies in must be there. Relative paths are below USER's home
#
# An archive with links or devices in it is refused. Files belong to USER, whoever they
# belonged to.
#
# Needs unzip or python3 for a zip file. It is unpacked beside FOLDER, and then renamed.
#
# Exit status: 0 when FOLDER is there, that of the program that unpacks when it fails, 1 for all
# other failures, 2 for wrong arguments.

# shellcheck source-path=SCRIPTDIR
set -euf
lib=$(dirname "$(readlink -f "$0")")/lib
# shellcheck source=lib/handler.sh
. "$lib/handler.sh"

# absolute PATH: prints it, below the user's home where it is relative.
absolute() {
    case $1 in
        /*) printf '%s\n' "${1%/}" ;;
        *) printf '%s\n' "${user_home%/}/${1%/}" ;;
    esac
}

# Sets `archive`.
read_archive() {
    archive=$(absolute "$1")
    case $archive in
        *.zip | *.tar | *.tar.gz | *.tgz) ;;
        *) misuse "ARCHIVE ends with none of .zip, .tar, .tar.gz and .tgz" ;;
    esac
    as_user test -e "$archive" || die "there is no file $archive"
    as_user test -r "$archive" || die "user $user may not read $archive"
}

# Sets `folder`.
read_folder() {
    folder=$(absolute "$1")
    case /$folder/ in
        // | */./* | */../*) misuse "FOLDER is no folder to replace" ;;
    esac
    parent=$(dirname "$folder")
    as_user test -d "$parent" || die "there is no directory $parent"
    ! as_user test -L "$folder" || die "$folder is a link"
    ! as_user test -e "$folder" || as_user test -d "$folder" || die "$folder is not a directory"
}

# untar [OPTION]: BusyBox's tar is told how an archive is compressed.
untar() {
    as_user tar -x -o "$@" -f "$archive" -C "$work/new"
}

unpack() {
    case $archive in
        *.zip)
            if have unzip; then
                as_user unzip -q -o "$archive" -d "$work/new"
            elif have python3; then
                as_user python3 -m zipfile -e "$archive" "$work/new"
            else
                die "there is neither unzip nor python3"
            fi
            ;;
        *.gz | *.tgz) untar -z ;;
        *) untar ;;
    esac
}

# What has a name of its own, and leads nowhere else.
check_content() {
    strange=$(as_user find "$work/new" ! -type d \( ! -type f -o -links +1 \) | head -n 1)
    [ -z "$strange" ] || die "the archive has a link or a device: ${strange#"$work/new/"}"
    [ -n "$(as_user find "$work/new" -type f | head -n 1)" ] || die "the archive is empty"
}

put_in_place() {
    ! as_user test -e "$folder" || as_user mv "$folder" "$work/old"
    as_user mv "$work/new" "$folder"
}

remove_work() {
    as_user rm -rf "$work"
}

begin "$@"
[ $# = 3 ] || misuse "expected USER, ARCHIVE and FOLDER"
{ [ -n "$2" ] && [ -n "$3" ]; } || misuse "ARCHIVE or FOLDER is empty"
read_archive "$2"
read_folder "$3"

# An attempt that was interrupted may have left it.
work=$parent/.unpack.$(basename "$folder")
remove_work
on_exit remove_work
as_user mkdir -m 700 "$work"
as_user mkdir -m 755 "$work/new"
status=0
messages=$(unpack 2>&1) || status=$?
[ "$status" = 0 ] || fail "$status" "could not unpack $archive: $messages"
check_content
put_in_place
say "Unpacked $archive to $folder."
