"""What the README shows, with the official client: prints a JSON object of answers.   client.py BASE_URL"""
import json, sys
from openai import APIStatusError, OpenAI

client = OpenAI(base_url=sys.argv[1], api_key="EMPTY", max_retries=0, timeout=120)
model = client.models.list().data[0].id
question = [{"role": "user", "content": "What is 2+2?"}]
sky = [{"role": "user", "content": "Name the color of the sky on a clear day."}]

completion = client.completions.create(model=model, prompt="The capital of France is", max_tokens=8, temperature=0)
chat = client.chat.completions.create(model=model, messages=question, max_tokens=24, temperature=0)
stream = client.chat.completions.create(
    model=model, messages=sky, max_tokens=32, temperature=0, stream=True, stream_options={"include_usage": True})
streamed, usage, roles = "", None, []
for chunk in stream:
    for choice in chunk.choices:
        streamed += choice.delta.content or ""
        if choice.delta.role:
            roles.append(choice.delta.role)
    usage = chunk.usage or usage
pieces = [choice.text for chunk in client.completions.create(
    model=model, prompt="The capital of France is", max_tokens=8, temperature=0, stream=True) for choice in chunk.choices]
samples = client.completions.create(
    model=model, prompt="Once upon a time", n=3, max_tokens=8, seed=1, temperature=1, logprobs=2)
errors = {}
for name, change in {"model": {"model": "no-such-model"}, "temperature": {"temperature": 9}, "prompt": {"prompt": []}}.items():
    try:
        client.completions.create(**{"model": model, "prompt": "x", "max_tokens": 1, **change})
    except APIStatusError as error:
        errors[name] = [error.status_code, error.body.get("param")]

print(json.dumps({
    "completion": completion.choices[0].text, "finish": completion.choices[0].finish_reason,
    "completionTokens": completion.usage.completion_tokens, "chat": chat.choices[0].message.content,
    "streamedChat": streamed, "roles": roles, "streamedTokens": usage.completion_tokens,
    "streamedCompletion": "".join(pieces), "samples": [choice.text for choice in samples.choices],
    "logprobs": len(samples.choices[0].logprobs.token_logprobs), "errors": errors}))
