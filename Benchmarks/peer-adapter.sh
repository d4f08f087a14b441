#!/bin/sh
# Adapter by which a load test that measures several token servers drives this one: five calls.
#   peer-adapter.sh setup DIR | start DIR | stop DIR | info DIR | seed DIR N | grow DIR N
# TOKENVAULT names the program and BENCH the benchmark; default: the release builds of this checkout. PORT: default 4590.
set -eu
verb=$1; dir=$2; port=${PORT:-4590}
root=$(cd "$(dirname "$0")/.." && pwd)
release=$root/.build-release/release
tv=${TOKENVAULT:-$release/tokenvault}; bench=${BENCH:-$release/vault-bench}
TOKENVAULT_PATH=$dir/vault; TOKENVAULT_KEY_FILE=$dir/key
export TOKENVAULT_PATH TOKENVAULT_KEY_FILE
url=http://127.0.0.1:$port
field() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"; }
grow_by() {
  n=$1; shift
  "$bench" grow --grants "$n" --vault "$dir/vault" --key-file "$dir/key" --client peer --user alice "$@"
}
case $verb in
setup)
  [ -x "$tv" ] || make -C "$root" release
  [ -x "$bench" ] ||
    swift build --package-path "$root" -c release --scratch-path "$root/.build-release" --product vault-bench
  mkdir -p "$dir"; chmod 700 "$dir"
  rm -f "$dir"/vault* "$dir/key" "$dir/client.json"
  "$tv" init --create-key-file --json > "$dir/init.json"
  (umask 077; "$tv" client add peer --redirect-uri https://app.example/callback --scope basic \
    --grant-type authorization_code --grant-type refresh_token --grant-type client_credentials --json > "$dir/client.json")
  "$tv" user add alice --json > /dev/null ;;
start)
  rm -f "$dir/ready"
  "$tv" serve --listen "127.0.0.1:$port" --ready-file "$dir/ready" 2> "$dir/serve.log" & echo $! > "$dir/pid"
  for _ in $(seq 200); do [ -s "$dir/ready" ] && exit 0; sleep 0.05; done
  echo "the server did not become ready: $dir/serve.log" >&2; exit 1 ;;
stop)
  pid=$(cat "$dir/pid"); kill "$pid"
  for _ in $(seq 200); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done ;;
info)
  printf '%s\n' "PID=$(cat "$dir/pid")" "TOKEN_URL=$url/oauth2/token" "INTROSPECT_URL=$url/oauth2/introspect" \
    "CLIENT_ID=$(field "$dir/client.json" client_id)" "CLIENT_SECRET=$(field "$dir/client.json" client_secret)" \
    SCOPE=basic "VERSION='$("$tv" version | head -n 1)'" ;;
seed) grow_by "$3" --print-tokens ;; # beside the running server: the vault takes several processes
grow) grow_by "$3" ;;
*) echo "unknown call: $verb" >&2; exit 2 ;;
esac
