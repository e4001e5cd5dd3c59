#!/bin/sh
# Makes a certificate authority and a server certificate for an MQTT broker.
#
#   generate_mqtt_certs.sh [--force] OUTDIR HOST...
#
# OUTDIR receives ca.crt, ca.key, server.crt and server.key; the keys are readable by their owner alone.
# Each HOST is a DNS name or an IP address that clients connect to. Certificates that are there already are kept,
# so that running it twice does no harm; --force replaces all four files.
set -eu
umask 077

usage() {
    echo "usage: $0 [--force] OUTDIR HOST..." >&2
    exit 2
}

force=no
if [ "${1:-}" = "--force" ]; then
    force=yes
    shift
fi
[ $# -ge 2 ] || usage
out=$1
shift

if [ "$force" = no ]; then
    present=0
    for file in ca.crt ca.key server.crt server.key; do
        if [ -e "$out/$file" ]; then present=$((present + 1)); fi
    done
    if [ "$present" -eq 4 ]; then
        echo "$out: certificates are there already (--force replaces them)"
        exit 0
    elif [ "$present" -gt 0 ]; then
        echo "$out: holds some of ca.crt, ca.key, server.crt, server.key; refusing to overwrite them without --force" >&2
        exit 1
    fi
fi

names=
for host in "$@"; do
    case $host in
        *:*) kind=IP ;;
        *[!0-9.]*) kind=DNS ;;
        *) kind=IP ;;
    esac
    names="$names${names:+,}$kind:$host"
done

mkdir -p "$out"
work=$(mktemp -d "$out/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT

# prime256v1: understood by every TLS stack of a small device, unlike newer curves.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 3650 \
    -subj "/CN=Smart Dairy MQTT CA" -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout "$work/ca.key" -out "$work/ca.crt" 2>/dev/null
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 \
    -subj "/CN=$1" -keyout "$work/server.key" -out "$work/server.csr" 2>/dev/null
cat >"$work/server.ext" <<END
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = $names
END
# 825 days: the longest validity that all common clients accept.
openssl x509 -req -sha256 -days 825 -in "$work/server.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" \
    -set_serial "0x$(openssl rand -hex 16)" -extfile "$work/server.ext" -out "$work/server.crt" 2>/dev/null

chmod 644 "$work/ca.crt" "$work/server.crt"
# ca.crt last: where it is, the others are.
mv "$work/ca.key" "$work/server.crt" "$work/server.key" "$work/ca.crt" "$out/"
echo "$out: made ca.crt and server.crt for $names"
