#!/bin/sh
# Builds the product and the benchmark for production and runs it; further arguments go to vault-bench.
#   Benchmarks/run.sh                                  everything, about 20 minutes (vaults are populated the first time)
#   Benchmarks/run.sh --grants 20000 --runs 1          a look, about 2 minutes
set -eu
cd "$(dirname "$0")/.."
# The same flags as the release has: one build serves both.
make --silent release
make --silent vault-bench
bin=.build-release/release
"$bin/vault-bench" measure --server "$bin/tokenvault" --json .build-release/bench.json "$@"
# Without arguments the keeper too; alone: vault-bench keeper --help
[ $# -gt 0 ] || "$bin/vault-bench" keeper
