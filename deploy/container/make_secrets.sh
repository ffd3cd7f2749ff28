#!/bin/sh
# Make what compose.yaml needs and no image may hold: secrets/ beside this file. What is there is kept.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
# The folder keeps others out; the containers' account, another one than yours, has to read the files.
random() { head -c 48 /dev/urandom | base64 | tr -d '\n/+='; }
keep() { [ -s "secrets/$1" ] || { cat > "secrets/$1.new" && chmod 444 "secrets/$1.new" && mv "secrets/$1.new" "secrets/$1"; }; }

random | keep secret_key
random | keep database_password
printf 'postgres://personaeval:%s@db/personaeval' "$(cat secrets/database_password)" | keep database_url
echo "secrets/ is complete. Keep a copy of secret_key where your backups are not: receipts of erasures depend on it."
