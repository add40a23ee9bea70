#!/usr/bin/env bash
# A real job from end to end with the command `terratorch` and nothing else:
# train on a Sentinel-2 scene, test, map the whole scene, and compare with a start from random weights.
# Usage: scripts/demo.sh [DIR]
set -euo pipefail

mkdir -p "${1:-demo}"
dir=$(cd "${1:-demo}" && pwd)
# One thread for each of the two models that train side by side.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

# train_and_test NAME CONFIG: runs/NAME/ gets the checkpoints, metrics/NAME.json the scores.
train_and_test() {
  local name=$1 config=$2
  local run=("--trainer.default_root_dir" "$dir/runs/$name")
  rm -rf "$dir/runs/$name" "$dir/metrics/$name.json"
  terratorch fit -c "$config" "${run[@]}"
  terratorch test -c "$config" "${run[@]}" --ckpt_path "$(checkpoint "$name")" \
    --model.init_args.path_to_record_metrics "$dir/metrics/$name.json"
}

checkpoint() {
  find "$dir/runs/$1" -name last.ckpt
}

echo "== Prepare the sample"
terratorch demo "$dir"
# The same job from random weights: the line that names the weights is left out.
sed '/backbone_ckpt_path/d' "$dir/land_cover.yaml" >"$dir/random_weights.yaml"

echo "== Train with the pretrained encoder, and from random weights at the same time (about 3 minutes)"
set -m # a process group of its own, so that all of it ends when this script is interrupted
train_and_test random_weights "$dir/random_weights.yaml" >"$dir/random_weights.log" 2>&1 &
other=$!
set +m
trap 'kill -- -$other 2>/dev/null || true' EXIT
train_and_test pretrained "$dir/land_cover.yaml"
wait $other || { cat "$dir/random_weights.log"; exit 1; }
trap - EXIT

echo "== Map the whole scene"
rm -rf "$dir/maps"
terratorch predict --ckpt_path "$(checkpoint pretrained)" \
  --predict_data "$dir/scene" --predict_output_dir "$dir/maps"

echo "== Result"
terratorch demo "$dir" --report
