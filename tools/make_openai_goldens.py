"""Writes the golden bodies of Tests/OpenAITests/Fixtures/responses.json with vLLM's own response models.

Run with a Python that has vLLM 0.32 installed: python tools/make_openai_goldens.py
"""

import json
from pathlib import Path

from vllm.entrypoints.openai.chat_completion.protocol import (
    ChatCompletionLogProb,
    ChatCompletionLogProbs,
    ChatCompletionLogProbsContent,
    ChatCompletionResponse,
    ChatCompletionResponseChoice,
    ChatCompletionResponseStreamChoice,
    ChatCompletionStreamResponse,
    ChatMessage,
    DeltaMessage,
)
from vllm.entrypoints.openai.completion.protocol import (
    CompletionLogProbs,
    CompletionResponse,
    CompletionResponseChoice,
    CompletionResponseStreamChoice,
    CompletionStreamResponse,
)
from vllm.entrypoints.serve.engine.protocol import (
    ErrorInfo,
    ErrorResponse,
    ModelCard,
    ModelList,
    ModelPermission,
    PromptTokenUsageInfo,
    UsageInfo,
)
from vllm.entrypoints.serve.tokenize.protocol import DetokenizeResponse, TokenizeResponse
from vllm.logprobs import Logprob

TEXT = 'Größe "x"\n\t\\ 😀\x01'
LOGPROBS = CompletionLogProbs(
    text_offset=[0, 1],
    token_logprobs=[None, -0.5],
    tokens=["é", " b"],
    top_logprobs=[None, {" b": -0.5, " c": -9999.0}],
)
CHAT_LOGPROBS = ChatCompletionLogProbs(
    content=[
        ChatCompletionLogProbsContent(
            token="é",
            logprob=-0.25,
            bytes=[195, 169],
            top_logprobs=[
                ChatCompletionLogProb(token="é", logprob=-0.25, bytes=[195, 169]),
                ChatCompletionLogProb(token="e", logprob=-9999.0, bytes=[101]),
            ],
        ),
        ChatCompletionLogProbsContent(token=" b", logprob=-1.5e-07, bytes=[32, 98], top_logprobs=[]),
    ]
)
PROMPT_LOGPROBS = [
    None,
    {5: Logprob(-1.5, 2, " x"), 7: Logprob(-0.5, 1, '"')},
]


def identity(kind):
    return dict(id=f"{kind}-1", created=1700000000, model="m")


def usage(**more):
    return UsageInfo(prompt_tokens=3, completion_tokens=4, total_tokens=7, **more)


def completion_chunk(choice, fingerprint=False, continuous=False):
    chunk = CompletionStreamResponse(object="text_completion", choices=[choice], **identity("cmpl"))
    if fingerprint:
        chunk.system_fingerprint = "fp"
    if continuous:
        chunk.usage = usage()
    return chunk.model_dump_json(exclude_unset=True)


def completion_choice(**fields):
    empty = dict(logprobs=None, finish_reason=None, stop_reason=None, prompt_token_ids=None, token_ids=None)
    return CompletionResponseStreamChoice(**{**empty, **fields})


def chat_chunk(choice, fingerprint=False, continuous=False, **fields):
    chunk = ChatCompletionStreamResponse(
        object="chat.completion.chunk", choices=[choice], **identity("chatcmpl"), **fields
    )
    if fingerprint:
        chunk.system_fingerprint = "fp"
    if continuous:
        chunk.usage = usage(completion_tokens_details=None)
    return chunk.model_dump_json(exclude_unset=True)


def chat_choice(delta, index=0, **fields):
    empty = dict(logprobs=None, finish_reason=None)
    return ChatCompletionResponseStreamChoice(index=index, delta=delta, **{**empty, **fields})


def completions():
    plain = CompletionResponseChoice(index=0, text=TEXT, finish_reason="length", stop_reason=None)
    full = CompletionResponseChoice(
        index=1,
        text="é b",
        logprobs=LOGPROBS,
        finish_reason="stop",
        stop_reason="END",
        token_ids=[5, 6],
        prompt_logprobs=PROMPT_LOGPROBS,
        prompt_token_ids=[1, 2],
    )
    whole = CompletionResponse(choices=[plain], usage=usage(), system_fingerprint="fp", **identity("cmpl"))
    yield "completion", whole.model_dump_json()
    whole = CompletionResponse(choices=[plain, full], usage=usage(), **identity("cmpl"))
    whole.usage.prompt_tokens_details = PromptTokenUsageInfo(cached_tokens=2)
    yield "completion with everything", whole.model_dump_json()
    yield "completion chunk", completion_chunk(completion_choice(index=0, text=TEXT))
    yield "completion chunk with everything", completion_chunk(
        completion_choice(
            index=2, text="é b", logprobs=LOGPROBS, finish_reason="stop", stop_reason=42,
            prompt_token_ids=[1, 2], token_ids=[5, 6],
        ),
        fingerprint=True,
        continuous=True,
    )
    last = CompletionStreamResponse(
        choices=[], usage=usage(), system_fingerprint="fp", metrics=None, **identity("cmpl")
    )
    yield "completion usage chunk", last.model_dump_json(exclude_unset=False, exclude_none=True)


def chats():
    plain = ChatCompletionResponseChoice(
        index=0, message=ChatMessage(role="assistant", content=TEXT), finish_reason="stop", stop_reason=None
    )
    full = ChatCompletionResponseChoice(
        index=1,
        message=ChatMessage(role="assistant", content="é b"),
        logprobs=CHAT_LOGPROBS,
        finish_reason="stop",
        stop_reason=42,
        token_ids=[5, 6],
    )
    whole = ChatCompletionResponse(choices=[plain], usage=usage(), system_fingerprint="fp", **identity("chatcmpl"))
    yield "chat completion", whole.model_dump_json()
    whole = ChatCompletionResponse(
        choices=[plain, full], usage=usage(), prompt_logprobs=PROMPT_LOGPROBS, prompt_token_ids=[1, 2],
        prompt_text="<s>", **identity("chatcmpl"),
    )
    whole.usage.prompt_tokens_details = PromptTokenUsageInfo(cached_tokens=2)
    yield "chat completion with everything", whole.model_dump_json()
    yield "chat role chunk", chat_chunk(
        chat_choice(DeltaMessage(role="assistant", content="")), prompt_token_ids=None, prompt_text=None
    )
    yield "chat role chunk with everything", chat_chunk(
        chat_choice(DeltaMessage(role="assistant", content=""), index=1),
        continuous=True, prompt_token_ids=[1, 2], prompt_text="<s>",
    )
    yield "chat echo chunk", chat_chunk(chat_choice(DeltaMessage(content="before")))
    yield "chat content chunk", chat_chunk(chat_choice(DeltaMessage(content=TEXT), token_ids=None))
    yield "chat content chunk with everything", chat_chunk(
        chat_choice(DeltaMessage(content="é b"), logprobs=CHAT_LOGPROBS, token_ids=[5, 6]), continuous=True
    )
    yield "chat finish chunk", chat_chunk(
        chat_choice(DeltaMessage(content=""), finish_reason="stop", stop_reason=None, token_ids=None),
        fingerprint=True,
    )
    yield "chat finish chunk before usage", chat_chunk(
        chat_choice(DeltaMessage(content="x"), finish_reason="stop", stop_reason="END", token_ids=None)
    )
    last = ChatCompletionStreamResponse(
        object="chat.completion.chunk", choices=[], usage=usage(completion_tokens_details=None),
        system_fingerprint="fp", metrics=None, **identity("chatcmpl"),
    )
    last.usage.prompt_tokens_details = PromptTokenUsageInfo(cached_tokens=2)
    yield "chat usage chunk", last.model_dump_json(exclude_unset=True, exclude_none=True)


def others():
    card = ModelCard(
        id="m", created=1700000000, root="org/m", max_model_len=2048,
        permission=[ModelPermission(id="modelperm-1", created=1700000000)],
    )
    yield "models", ModelList(data=[card]).model_dump_json()
    yield "tokenize", TokenizeResponse(count=2, max_model_len=2048, tokens=[5, 6]).model_dump_json()
    yield "tokenize with strings", TokenizeResponse(
        count=2, max_model_len=2048, tokens=[5, 6], token_strs=["é", " b"]
    ).model_dump_json()
    yield "detokenize", DetokenizeResponse(prompt=TEXT).model_dump_json()
    error = ErrorInfo(message='no "x"', type="NotFoundError", param="model", code=404)
    yield "error", ErrorResponse(error=error).model_dump_json()
    error = ErrorInfo(message="out of luck", type="InternalServerError", code=500)
    yield "error without a field", ErrorResponse(error=error).model_dump_json()


def main():
    bodies = dict([*completions(), *chats(), *others()])
    path = Path(__file__).parent.parent / "Tests/OpenAITests/Fixtures/responses.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(bodies, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
