#!/usr/bin/env bash
# Gives Mosquitto the revocation lists of the device CAs, and tells it to read them.
#
#   install_mosquitto_crl.sh (--pid PID | --pid-file FILE) SOURCE CA_FILE CRL_FILE
#
# SOURCE is where the lists are published (a URL, such as http://odoo.farm/iot/crl/devices.pem) or a file; PEM, any
# number of lists. CA_FILE has the certificates of the CAs (the `cafile` of Mosquitto's listener), CRL_FILE is the file
# that Mosquitto reads (its `crlfile`). The process is sent SIGHUP: on that alone Mosquitto reads the file again.
#
# A file that is empty, broken or missing at a SIGHUP makes Mosquitto accept every revoked certificate. CRL_FILE is
# therefore replaced in one step, and only lists get into it that are signed by one of the CAs, valid now, and not older
# than what is there. Where that is not so the list that is there stays and the exit code is 1: let cron mail it. A list
# that is published no more, since its CA has no certificates left, stays until it expires. With nothing new the script
# does nothing, so that it may run every minute:
#
#   * * * * * root /usr/local/sbin/install_mosquitto_crl.sh --pid-file /run/mosquitto/mosquitto.pid \
#       http://odoo.farm/iot/crl/devices.pem /etc/mosquitto/devices-ca.pem /etc/mosquitto/devices-crl.pem
set -euo pipefail
export LC_ALL=C # dates and the order of texts

usage() {
    echo "usage: $0 (--pid PID | --pid-file FILE) SOURCE CA_FILE CRL_FILE" >&2
    exit 2
}

fail() {
    echo "$0: $1" >&2
    exit 1
}

pid="" pid_file=""
case "${1:-}" in
    --pid) pid="${2:-}" ;;
    --pid-file) pid_file="${2:-}" ;;
    *) usage ;;
esac
(($# == 5)) && [[ -n "$pid$pid_file" ]] || usage
source="$3" ca_file="$4" crl_file="$5"
pending="$crl_file.pending" # there from before the file is replaced until the broker has been told

# fetch TARGET
fetch() {
    case "$source" in
        http://* | https://*)
            curl --fail --silent --show-error --location --max-time 30 --max-filesize 50000000 --output "$1" "$source" ||
                fail "$source could not be fetched; $crl_file stays as it is"
            ;;
        *) cp -- "$source" "$1" || fail "$source could not be read; $crl_file stays as it is" ;;
    esac
}

# split KIND FILE DIRECTORY: each PEM block of this kind in a file of its own.
split() {
    mkdir "$3"
    awk -v kind="$1" -v directory="$3" '
        $0 ~ "^-----BEGIN " kind "-----" { inside = 1; file = sprintf("%s/%06d", directory, ++number) }
        inside { print > file }
        $0 ~ "^-----END " kind "-----" { inside = 0; close(file) }
    ' "$2"
}

# signer LIST: prints the CA that signed the list; fails when none of them did.
signer() {
    local ca
    for ca in "$work"/cas/*; do
        # By each alone: two CAs may have one name, an old one and its successor. The exit code tells nothing before 3.1.
        if [[ "$(openssl crl -in "$1" -noout -CAfile "$ca" -no-CApath -no-CAstore 2>&1)" == "verify OK" ]]; then
            echo "${ca##*/}"
            return
        fi
    done
    return 1
}

# field NAME LIST
field() {
    openssl crl -in "$2" -noout "-$1" | cut -d= -f2-
}

# seconds NAME LIST: a moment of the list as Unix time; fails when it has none.
seconds() {
    local moment
    moment="$(field "$1" "$2")"
    [[ "$moment" == *GMT ]] && date -d "$moment" +%s
}

# number LIST: its CRL number as hex without leading zeros, - when it has none.
number() {
    field crlnumber "$1" | sed 's/^0x//; s/^0*\(.\)/\1/; s/^<NONE>$/-/'
}

# is_older LIST THAN
is_older() {
    local this that
    this="$(number "$1")" that="$(number "$2")"
    if [[ "$this" == - || "$that" == - ]]; then
        (("$(seconds lastupdate "$1")" < "$(seconds lastupdate "$2")"))
    elif ((${#this} != ${#that})); then
        ((${#this} < ${#that}))
    else
        [[ "$this" < "$that" ]]
    fi
}

# complaint LIST: prints what is wrong with a fetched list, or files it under the CA that signed it.
complaint() {
    local ca issuer now next
    issuer="$(field issuer "$1" 2>/dev/null)" || {
        echo "a part of what was fetched from $source cannot be read as a revocation list"
        return
    }
    now="$(date +%s)"
    if ! ca="$(signer "$1")"; then
        echo "the list of '$issuer' is not signed by any CA in $ca_file"
    elif (("$(seconds lastupdate "$1")" > now)); then
        echo "the list of '$issuer' is not valid yet: is the clock right?"
    elif ! next="$(seconds nextupdate "$1")"; then
        echo "the list of '$issuer' does not say until when it is valid"
    elif ((next <= now)); then
        echo "the list of '$issuer' has expired on $(date -d "@$next"): renew it"
    elif [[ -e "$work/installed-by/$ca" ]] && is_older "$1" "$work/installed-by/$ca"; then
        echo "the list of '$issuer' is older than the one that is installed"
    else
        cp "$1" "$work/fetched-by/$ca"
    fi
}

tell_broker() {
    [[ -z "$pid_file" ]] || read -r pid _ <"$pid_file" || fail "$crl_file is installed, but $pid_file names no process"
    # A process id is used again one day, and a SIGHUP ends most programs.
    [[ "$(cat "/proc/$pid/comm" 2>/dev/null)" == mosquitto ]] ||
        fail "$crl_file is installed, but process $pid is no Mosquitto: it was not told"
    kill -HUP "$pid" || fail "$crl_file is installed, but process $pid could not be told"
    rm -f "$pending"
}

exec 9>"$crl_file.lock"
flock --nonblock 9 || fail "another run is under way"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/installed-by" "$work/fetched-by"

split CERTIFICATE "$ca_file" "$work/cas"
split "X509 CRL" "$crl_file" "$work/installed" 2>/dev/null || true # there is none at first
shopt -s nullglob
for list in "$work"/installed/*; do
    if ca="$(signer "$list")"; then
        cp "$list" "$work/installed-by/$ca"
    fi
done

fetch "$work/fetched.pem"
split "X509 CRL" "$work/fetched.pem" "$work/fetched"
fetched=("$work"/fetched/*)
((${#fetched[@]})) || fail "$source has no revocation list in PEM; $crl_file stays as it is"
complaints=()
for list in "${fetched[@]}"; do
    said="$(complaint "$list")"
    [[ -z "$said" ]] || complaints+=("$said")
done
for installed in "$work"/installed-by/*; do
    if [[ ! -e "$work/fetched-by/${installed##*/}" ]] && (("$(seconds nextupdate "$installed")" > "$(date +%s)")); then
        cp "$installed" "$work/fetched-by"
    fi
done
lists=("$work"/fetched-by/*)
((${#lists[@]})) || fail "${complaints[0]}; $crl_file stays as it is"

cat "${lists[@]}" >"$work/new.pem"
if ! cmp --silent "$work/new.pem" "$crl_file"; then
    touch "$pending"
    new="$(mktemp "$crl_file.XXXXXX")"
    trap 'rm -rf "$work" "$new"' EXIT
    cat "$work/new.pem" >"$new"
    chmod 644 "$new" # nothing in it is secret, and the broker has an account of its own
    sync "$new"
    mv -f "$new" "$crl_file"
fi
if [[ -e "$pending" ]]; then
    tell_broker
    echo "$crl_file: ${#lists[@]} list(s) installed, process $pid told"
fi
for said in ${complaints+"${complaints[@]}"}; do
    echo "$0: $said" >&2
done
((!${#complaints[@]}))
