#!/usr/bin/env bash
# Write the locks: what is shipped, and what development needs besides; hashes of every file of every
# version, so that they hold on all machines. Left out is torch, which comes in several builds (CPU,
# CUDA) with other hashes each, and what only its CUDA builds need; its version is in pyproject.toml.
# Versions already locked stay; delete a line, or the file, to move on.
set -euo pipefail
cd "$(dirname "$0")/.."

left_out() {
  local name
  for name in torch triton cuda-{bindings,pathfinder,toolkit} \
    nvidia-{cublas,cuda-cupti,cuda-nvrtc,cuda-runtime,cudnn-cu13,cufft,cufile,curand,cusolver} \
    nvidia-{cusparse,cusparselt-cu13,nccl-cu13,nvjitlink,nvshmem-cu13,nvtx}; do
    printf -- '--no-emit-package=%s ' "$name"
  done
}

lock() {
  local file=$1
  shift
  # shellcheck disable=SC2046
  ${UV:-.venv/bin/uv} pip compile pyproject.toml "$@" --quiet --universal --python-version 3.11 \
    --generate-hashes --no-annotate --no-header $(left_out) --output-file "$file"
}

touch requirements.lock requirements-dev.lock
lock requirements.lock --extra server
lock requirements-dev.lock --extra server --extra dev --constraint requirements.lock
