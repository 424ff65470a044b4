#!/usr/bin/env bash
# Runs the end-to-end tests, one package at a time: brokers, Prometheus and the
# API server share this machine's cores. A package that fails is run once more,
# because a busy machine can starve a broker past any timeout; that it was is
# said at the end, and a test that fails twice fails the run.
set -uo pipefail
cd "$(dirname "$0")"
export TIDETABLE_E2E="${TIDETABLE_E2E:-required}"
# A dependency that tidetable gained since is added to this module as needed.
export GOFLAGS="${GOFLAGS:-} -mod=mod"
timeout="${E2E_TIMEOUT:-40m}"
again=() failed=()

# run prints all of a run that fails, or that was asked for with -v; of one that
# passes only what was skipped, and why.
run() {
  case " $* " in *" -v "*) go test -count=1 -timeout "$timeout" "$@"; return ;; esac
  local log code=0
  log="$(mktemp)"
  go test -count=1 -timeout "$timeout" -v "$@" >"$log" 2>&1 || code=$?
  if [ "$code" -eq 0 ]; then
    grep -A1 -E '^ *--- SKIP' "$log" | grep -v '^--$'
    tail -n 1 "$log"
  else
    cat "$log"
  fi
  rm -f "$log"
  return "$code"
}

for package in $(go list ./...); do
  name="${package##*/}"
  [ -n "$(go list -f '{{join .TestGoFiles ""}}{{join .XTestGoFiles ""}}' "$package")" ] || continue
  echo "=== $name"
  run "$@" "$package" && continue
  echo "=== $name failed and is run once more; its logs are in $PWD/logs"
  again+=("$name")
  go test -count=1 -timeout "$timeout" -v "$@" "$package" || failed+=("$name")
done
[ ${#again[@]} -eq 0 ] || echo "=== run twice: ${again[*]}"
[ ${#failed[@]} -eq 0 ] || { echo "=== failed: ${failed[*]}"; exit 1; }
