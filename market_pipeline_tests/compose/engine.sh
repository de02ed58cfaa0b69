#!/usr/bin/env bash
# Starts a container engine on a Debian 12 machine that has none (root needed), and makes stand-ins for the two outside
# images, so that the stack can be built and run where only package registries can be reached:
#   engine.sh start DIR    installs the engine from Debian, starts it below DIR, builds debian:12.12-slim (debootstrap)
#                          and postgres:17.6 (Debian's PostgreSQL behind the official image's variables)
#   engine.sh stop DIR     ends that engine and unmounts what it left
# The stand-in Debian trusts the certificates and uses the package sources of this machine.
set -euo pipefail
verb=${1:?start or stop}
dir=$(realpath -m "${2:?a directory}")
export DOCKER_HOST=unix://$dir/docker.sock DOCKER_BUILDKIT=0 PATH=/usr/bin:/usr/sbin:$PATH

start() {
  mkdir -p "$dir/images"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    docker.io docker-compose debootstrap >"$dir/apt.log" 2>&1
  nohup dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/dockerd.pid" --host "$DOCKER_HOST" \
    --iptables=false --ip6tables=false --storage-driver=overlay2 >"$dir/dockerd.log" 2>&1 &
  local engine=$!
  until docker version >/dev/null 2>&1; do
    kill -0 "$engine" || { tail -n 3 "$dir/dockerd.log" >&2; exit 1; }
    sleep 0.5
  done
  local image
  for image in debian:12.12-slim postgres:17.6; do
    docker image inspect "$image" >/dev/null 2>&1 || "make_${image%%:*}" "$image"
  done
}

make_debian() {
  debootstrap --variant=minbase bookworm "$dir/root" >"$dir/debootstrap.log" 2>&1
  local shared
  for shared in /etc/ssl/certs /usr/local/share/ca-certificates /usr/share/keyrings /etc/apt/sources.list.d \
    /etc/apt/sources.list /etc/apt/apt.conf.d; do
    [ ! -e "$shared" ] || { mkdir -p "$(dirname "$dir/root$shared")"; cp -aT "$shared" "$dir/root$shared"; }
  done
  tar -C "$dir/root" -c . | docker import - debootstrap:bookworm >/dev/null
  rm -rf "${dir:?}/root"
  build "$1" <<'DOCKERFILE'
FROM debootstrap:bookworm
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
    REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates >/dev/null \
 && update-ca-certificates >/dev/null
DOCKERFILE
}

make_postgres() {
  cat >"$dir/images/postgres.sh" <<'SCRIPT'
set -e
data=/var/lib/postgresql/data bin=$(echo /usr/lib/postgresql/*/bin)
mkdir -p "$data" && chown postgres "$data" && chmod 700 "$data"
ln -sf "$bin/pg_isready" /usr/local/bin/pg_isready
as_postgres() { su postgres -c "$*"; }
if [ ! -s "$data/PG_VERSION" ]; then
  (umask 077 && echo "$POSTGRES_PASSWORD" >/tmp/password && chown postgres /tmp/password)
  as_postgres "$bin/initdb -D $data -U $POSTGRES_USER --pwfile=/tmp/password --auth-host=scram-sha-256 >/dev/null"
  rm /tmp/password
  echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
  as_postgres "$bin/pg_ctl -D $data -w start -o '-c listen_addresses= '"
  [ "$POSTGRES_DB" = postgres ] || as_postgres "createdb -U $POSTGRES_USER $POSTGRES_DB"
  as_postgres "$bin/pg_ctl -D $data -w stop"
fi
exec su postgres -c "exec $bin/postgres -D $data -c listen_addresses='*'"
SCRIPT
  build "$1" <<'DOCKERFILE'
FROM debian:12.12-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql >/dev/null
COPY postgres.sh /postgres.sh
ENTRYPOINT ["/bin/bash", "/postgres.sh"]
DOCKERFILE
}

build() { # TAG, the Dockerfile on standard input; the host's network, since an engine without iptables has no NAT
  cat >"$dir/images/Dockerfile"
  docker build --quiet --network host --tag "$1" "$dir/images" >/dev/null
}

stop() {
  [ ! -e "$dir/dockerd.pid" ] || kill "$(cat "$dir/dockerd.pid")"
  while [ -e "$dir/dockerd.pid" ]; do sleep 0.5; done
  mount | awk -v below="$dir/" 'index($3, below) == 1 {print $3}' | sort -r | xargs -r umount
}

case $verb in
  start | stop) "$verb" ;;
  *) echo "usage: engine.sh start|stop DIR" >&2; exit 2 ;;
esac
