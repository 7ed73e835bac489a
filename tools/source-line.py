"""Serves a model with the command line of the product's source document, asks it the document's question, and measures.

    tools/source-line.py [--binary PAGODA] [--tensor-parallel N] [MODEL] [MORE OPTIONS OF serve]

MODEL is the folder of tools/qwen-7b-folder.py by default. Prints the time to ready and to the answer, the rate of decode, and the
process's peak memory beside what it holds. Run it with the interpreter of tools/python-client.sh, which has the openai package.
"""
import argparse, json, os, re, signal, subprocess, sys, time, urllib.request
from openai import OpenAI

CACHE = os.environ.get("PAGODA_CACHE") or os.path.expanduser("~/.cache/pagoda")
parser = argparse.ArgumentParser()
parser.add_argument("--binary", default=".build/release/pagoda")
parser.add_argument("--tensor-parallel", type=int, default=2)
parser.add_argument("model", nargs="?", default=f"{CACHE}/quantized/Qwen-7B-Chat-GPTQ")
arguments, more = parser.parse_known_args()
NAME, PORT = "qwen-7b-chat", 8000

line = (f"serve --host 0.0.0.0 --port {PORT} --model {arguments.model} --quantization gptq "
        f"--tensor_parallel_size {arguments.tensor_parallel} --max_num_seqs 256")
command = [arguments.binary, *line.split(), "--served-model-name", NAME, *more]
print(" ".join(command), flush=True)
begun = time.monotonic()
server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
log = []


def memory():
    with open(f"/proc/{server.pid}/status") as status:
        return {key: int(value.split()[0]) / 1024 for key, value in (line.split(":") for line in status) if "kB" in value}


def metric(name):
    text = urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics").read().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if re.match(name + r"[{ ]", line))


try:
    for text in server.stderr:
        log.append(text)
        print("  " + text, end="", flush=True)
        if "ready after" in text:
            break
    else:
        sys.exit("the server ended")
    ready = time.monotonic() - begun
    loaded = memory()

    # The document's example.
    client = OpenAI(api_key="EMPTY", base_url=f"http://localhost:{PORT}/v1")
    asked = time.monotonic()
    response = client.chat.completions.create(
        model=NAME, messages=[{"role": "user", "content": "介绍一下人工智能的发展历程"}], temperature=0.7, max_tokens=64)
    answered = time.monotonic() - asked
    print("answer:", repr(response.choices[0].message.content)[:100], response.usage.completion_tokens, "tokens")

    # Decode alone: the tokens after the first one of a stream.
    times = [time.monotonic() for _ in client.completions.create(
        model=NAME, prompt="Once upon a time", max_tokens=64, temperature=0, stream=True, extra_body={"ignore_eos": True})]
    peak = memory()
    print(json.dumps({
        "ready_s": round(ready, 1), "answer_s": round(answered, 1), "decode_tokens_per_s": round(63 / (times[-1] - times[0]), 2),
        "peak_while_loading_mib": round(loaded["VmHWM"]), "peak_mib": round(peak["VmHWM"]), "anonymous_mib": round(peak["RssAnon"]),
        "file_mib": round(peak["RssFile"]), "weights_mib": re.search(r"(\d+ [MG]iB) of packed weights", "".join(log)).group(1),
        "tokens": int(metric("vllm:prompt_tokens_total") + metric("vllm:generation_tokens_total"))}, indent=1))
finally:
    server.send_signal(signal.SIGTERM)
    server.wait(20)
