#!/bin/bash
# All measurements on a GPU machine, in order of value, each with a limit of its own so that a failure stops nothing else:
#   run.sh BUNDLE OUT
# BUNDLE: a folder whose run.sh starts main.ts (bundled, with Node) with the names of parts; or "tsx" in a checkout.
# OUT: a folder for node.jsonl, peer.jsonl and errors.log.
here=$(cd "$(dirname "$0")" && pwd)
bundle=$1; out=$(realpath "$2")
export PYTHONUNBUFFERED=1 GPU_OUT=$out/node.jsonl TORCHINDUCTOR_CACHE_DIR=${TORCHINDUCTOR_CACHE_DIR:-/tmp/inductor}
start=$(date +%s)

# CUDA's compiler and products come from a toolkit, or from the wheels that PyTorch brings.
libraries=$(python3 -c 'import glob, sys; print(*glob.glob("/usr/local/cuda*/lib64") + glob.glob(sys.prefix + "/lib/python3*/site-packages/nvidia/*/lib"), sep=":")')

limited() { # SECONDS NAME COMMAND...
  local limit=$1 name=$2; shift 2
  timeout -k 5 "$limit" "$@" 2>> "$out/errors.log" || echo "{\"part\":\"run\",\"failed\":\"$name\",\"status\":$?}" | tee -a "$GPU_OUT"
  echo "{\"part\":\"run\",\"did\":\"$name\",\"at\":$(($(date +%s) - start))}" | tee -a "$GPU_OUT"
}
ours() { # SECONDS PART
  if [ "$bundle" = tsx ]; then LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$libraries limited "$1" "$2" npx tsx "$here/main.ts" "$2"
  else LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$libraries limited "$1" "$2" bash "$bundle/run.sh" "$2"; fi
}
peer() { # SECONDS ARGUMENTS...
  local limit=$1; shift
  limited "$limit" "peer $*" python3 "$here/peer.py" "$out/peer.jsonl" "$@"
}

nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.max.sm --format=csv > "$out/smi.csv" 2>&1
# Compiling takes processors, not the GPU: all cases side by side, while what is not timed runs.
for case in step/S/2:32 step/B/2:32 step/B/2:256 step/XL/2:32 sample/B/2:8 sample/XL/2:8; do
  timeout 150 python3 "$here/peer.py" /dev/null warm "$case:bf16:compiled" >> "$out/warm.log" 2>&1 &
done
ours 60 adapter
for _ in $(seq 60); do [ -n "$(jobs -rp)" ] && sleep 2; done
echo "{\"part\":\"run\",\"did\":\"compile\",\"at\":$(($(date +%s) - start))}" | tee -a "$GPU_OUT"

ours 200 cuda:steps
ours 60 cuda:attention
ours 60 cuda:sampling
ours 150 webgpu:steps
ours 40 wgsl
peer 45 rates
peer 60 step S/2:32:bf16:eager B/2:32:bf16:eager B/2:256:bf16:eager XL/2:32:bf16:eager
peer 70 step S/2:32:bf16:compiled B/2:32:bf16:compiled B/2:256:bf16:compiled XL/2:32:bf16:compiled
peer 45 step S/2:32:tf32:eager B/2:32:tf32:eager XL/2:32:tf32:eager
peer 45 step S/2:32:bf16:eager+graph S/2:32:bf16:compiled+graph B/2:32:bf16:compiled+graph
peer 45 sample B/2:8:bf16:eager XL/2:8:bf16:eager B/2:8:bf16:eager+graph XL/2:8:bf16:eager+graph
peer 40 sample B/2:8:bf16:compiled XL/2:8:bf16:compiled
