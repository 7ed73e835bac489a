"""What the official client makes of a server that asks for keys: a JSON object.   access.py BASE_URL KEY CA_FILE"""
import json, ssl, sys
import httpx
from openai import AuthenticationError, OpenAI, PermissionDeniedError

base, key, authority = sys.argv[1:4]
http = httpx.Client(verify=ssl.create_default_context(cafile=authority), timeout=120)

def attempt(key):
    client = OpenAI(base_url=base, api_key=key, max_retries=0, http_client=http)
    try:
        model = client.models.list().data[0].id
        stream = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Hi"}], max_tokens=4, temperature=0, stream=True)
        return "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
    except AuthenticationError as error:
        return ["AuthenticationError", error.status_code, error.body.get("type")]
    except PermissionDeniedError as error:
        return ["PermissionDeniedError", error.status_code, error.body.get("type")]

print(json.dumps({"right": attempt(key), "wrong": attempt("wrong-key-of-the-test"), "metrics": attempt("metrics-key-of-the-test")}))
