#!/bin/sh
# Makes the secrets of this folder where there are none: a password each for the database's superuser, for whoever serves
# and works, and for the sealer. Run it as root, once; the files are for the users of the containers alone.
set -eu
cd "${1:-$(dirname "$0")}"
umask 077
mkdir -p secrets/channels

made() { # made FILE OWNER TEXT
    if [ -e "secrets/$1" ]; then return; fi
    printf '%s\n' "$3" > "secrets/$1"
    chown "$2" "secrets/$1"
}
password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

if [ ! -e secrets/superuser ]; then
    superuser=$(password)
    made admin 10001:10001 "database:5432:care:postgres:$superuser"
    made superuser 0:0 "$superuser"
fi
made app 10001:10001 "database:5432:care:care_app:$(password)"
made auditor 10002:10001 "database:5432:care:care_auditor:$(password)"
chmod 0711 secrets
chown 10001:10001 secrets/channels
echo "The secrets are in $(pwd)/secrets. Keep a copy of them apart from the database's backups."
