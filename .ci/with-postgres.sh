#!/usr/bin/env bash
# with-postgres.sh COMMAND...: runs COMMAND with a PostgreSQL server of its own, whose URL is in ZIPVL_TEST_POSTGRES, and
# stops the server when COMMAND has ended. With ZIPVL_TEST_POSTGRES set already, or without an installed server, it just
# runs COMMAND. Whatever cluster the package has made or started is left alone.
set -euo pipefail

if [ -n "${ZIPVL_TEST_POSTGRES:-}" ]; then exec "$@"; fi
for bin in /usr/lib/postgresql/*/bin; do [ -x "$bin/initdb" ] && PATH=$bin:$PATH; done
export PATH
if ! command -v initdb >/dev/null; then
    echo 'with-postgres: no PostgreSQL server is installed; its tests say so and are skipped' >&2
    exec "$@"
fi

# A server refuses to run as root.
as_server() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

folder=$(mktemp -d /tmp/zipvl-postgres.XXXXXX)
[ "$(id -u)" != 0 ] || chown postgres "$folder"
cd "$folder" # which the server's user can see
stop() {
    as_server pg_ctl -D "$folder/data" -m fast -w stop >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap stop EXIT
as_server initdb -D "$folder/data" --encoding=UTF8 --locale=C -A trust -U postgres --no-sync >"$folder.log"
rm -f "$folder.log"
# A free port: the socket's name has it, too.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
as_server tee -a "$folder/data/postgresql.conf" >/dev/null <<SETTINGS
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
max_connections = 300
SETTINGS
as_server pg_ctl -D "$folder/data" -l "$folder/log" -w start </dev/null >/dev/null
export ZIPVL_TEST_POSTGRES="postgresql:///postgres?host=$folder&port=$port&user=postgres"
cd "$OLDPWD"
"$@"
