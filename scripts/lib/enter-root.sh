# shellcheck shell=bash
# What scripts/bare runs in namespaces of its own: makes ROOT the root of these, and runs
# COMMAND in its FOLDER. This stays the first process, as one has to wait for orphans.
#
# Usage: bash enter-root.sh ROOT FOLDER COMMAND…

set -euo pipefail
root=$1 folder=$2
shift 2

# Containers are started by pivot_root, which wants a root that is a mount, as this is then.
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
pivot_root . mnt
umount --lazy /mnt

cd "$folder"
unset OLDPWD
status=0
"$@" || status=$?
exit "$status"
