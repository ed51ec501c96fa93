# shellcheck shell=bash
# Where this system gets its packages from, for a root of its own: proxies, mirrors, indexes
# and certificates. Never what it has got already.

package_sources_files=(
    /etc/resolv.conf /etc/hosts
    /usr/local/share/ca-certificates # from which the file that variables name is made anew
    /etc/apt/auth.conf /etc/apt/auth.conf.d
    /etc/pip.conf /etc/xdg/pip ~/.config/pip ~/.pip
    /etc/uv /etc/xdg/uv ~/.config/uv
    ~/.netrc
)

# carry_package_sources ROOT: copies the files, and sets $package_sources to the variables
# that a process in ROOT needs.
carry_package_sources() {
    local root=$1 file
    package_sources=()
    for file in "${package_sources_files[@]}"; do
        carry "$root" "$file"
    done
    apt-config dump Acquire >"$root/etc/apt/apt.conf.d/90package-sources"
    carry_variables "$root"
    # Certificates that pip's settings name.
    while read -r file; do
        carry "$root" "$file"
    done < <(find "$root"/etc/pip.conf "$root"/etc/xdg/pip "$root$HOME"/.config/pip \
        "$root$HOME"/.pip -type f -exec sed -n 's/^ *cert *= *//p' {} + 2>/dev/null)
}

# carry_variables ROOT: with the files that they name.
carry_variables() {
    local name
    for name in $(compgen -e); do
        case ${name,,} in
            *_cache_dir) continue ;;
            *_proxy | pip_* | uv_*index* | uv_*mirror* | uv_*tls | uv_system_certs) ;;
            ssl_cert_file | requests_ca_bundle | curl_ca_bundle) ;;
            *) continue ;;
        esac
        package_sources+=("$name=${!name}")
        [[ ${!name} != /* || ! -f ${!name} ]] || carry "$1" "${!name}"
    done
}

# carry ROOT PATH: copies it to the same place, where it exists.
carry() {
    [ -e "$2" ] || return 0
    mkdir -p "$1${2%/*}"
    # Links are followed, as they may lead to where nothing is in ROOT.
    cp --recursive --dereference --no-target-directory "$2" "$1$2"
}
