"""Measures INT4 against bf16 in Pagoda itself: weight memory, and decode of one sequence, all in turn in one run.

    python tools/bench-int4.py BF16_FOLDER GPTQ_FOLDER

The folders are of one model; with the output head in 8 bits and without. ROUNDS (3), PAGODA (.build/release/pagoda) and more
options of `pagoda bench latency` after the folders. Prints medians, and ratios within each round.
"""
import json, os, re, statistics, subprocess, sys, tempfile

ROUNDS, PAGODA = int(os.environ.get("ROUNDS", 3)), os.environ.get("PAGODA", ".build/release/pagoda")
plain, gptq, more = sys.argv[1], sys.argv[2], sys.argv[3:]
CASES = {"bf16": [plain], "GPTQ, head in 8 bits": [gptq], "GPTQ": [gptq, "--quantize-head", "none"],
         "int4 as it loads, head in 8 bits": [plain, "--quantization", "int4"],
         "int4 as it loads": [plain, "--quantization", "int4", "--quantize-head", "none"]}
rates, sizes = {name: [] for name in CASES}, {}

for _ in range(ROUNDS):
    for name, model in CASES.items():
        with tempfile.NamedTemporaryFile() as out:
            run = subprocess.run(
                [PAGODA, "bench", "latency", *model, "--input-len", "16", "--output-len", "16", "--batch-size", "1",
                 "--num-iters-warmup", "1", "--num-iters", "2", "--max-num-batched-tokens", "64", "--output-json", out.name, *more],
                stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, check=True)
            rates[name].append(json.load(out)["median_decode_tokens_per_second"])
        sizes[name] = int(re.search(r"(\d+) MiB of packed weights", run.stderr).group(1))

print("| weights | packed MiB | less than bf16 | decode, tokens/s | of each round | ÷ bf16 |\n|---|---|---|---|---|---|")
for name in CASES:
    ratios = [rate / base for rate, base in zip(rates[name], rates["bf16"])]
    print(f"| {name} | {sizes[name]} | {100 * (1 - sizes[name] / sizes['bf16']):.0f} % | {statistics.median(rates[name]):.1f} "
          f"| {', '.join(f'{rate:.1f}' for rate in rates[name])} | {statistics.median(ratios):.2f} |")
