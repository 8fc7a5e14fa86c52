#!/usr/bin/env bash
# The keys that updates are signed with: see README.md, "Keys".
#
#   image/keys.sh test FOLDER               keys for tests: a root and a signer, unprotected
#   image/keys.sh root FOLDER               a real root, its key protected by a password that is asked for
#   image/keys.sh signer FOLDER NAME        a signer below it, for a year or two; asks for both passwords
set -euo pipefail

what=${1:-} folder=${2:-}
[[ -n $folder ]] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
umask 077
mkdir -p "$folder"
cd "$folder"

# root_key ARGS: ten years, only to sign certificates.
root_key() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha384 -days 3653 -keyout root.key -out keyring.pem \
        -subj "/O=callbox/CN=callbox update root" \
        -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign "$@"
}
# signer_key NAME DAYS ARGS: signs bundles and nothing else.
signer_key() {
    local name=$1 days=$2
    shift 2
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout signing.key -out signing.csr -subj "/O=callbox/CN=$name" "$@"
    openssl x509 -req -in signing.csr -CA keyring.pem -CAkey root.key -CAcreateserial -days "$days" -sha384 -out signing.pem -extfile <(
        echo basicConstraints=critical,CA:FALSE
        echo keyUsage=critical,digitalSignature
        echo extendedKeyUsage=critical,emailProtection
    )
    rm -f signing.csr
}
case $what in
    test)
        [[ -f signing.pem ]] && exit 0
        root_key -nodes 2>/dev/null
        signer_key "callbox test signer" 3650 -nodes 2>/dev/null
        ;;
    root)
        [[ ! -f root.key ]] || { echo "keys: $folder/root.key is there already" >&2; exit 1; }
        root_key
        ;;
    signer) signer_key "${3:?a name for the signer}" 730 ;;
    *) echo "keys: $what: use test, root or signer" >&2; exit 2 ;;
esac
