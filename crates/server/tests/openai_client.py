"""The official openai client against a Helix server, unchanged but for its address.

    openai_client.py http://127.0.0.1:8080

Ends with 0 and the line "ok" when everything answers as the client expects; else with an assertion.
"""

import asyncio
import json
import sys
import time
import urllib.request

import openai

BASE = sys.argv[1].rstrip("/")
CHAT = [{"role": "user", "content": "What is 12 plus 30?"}]
TEXT = "The capital of France is"
ENDLESS = [{"role": "user", "content": "Tell a story that goes on for ever"}]
client = openai.OpenAI(base_url=f"{BASE}/v1", api_key="none", max_retries=0, timeout=120)


def refused(kind, status, code, param, call):
    try:
        call()
    except kind as error:
        assert error.status_code == status, error
        assert error.code == code and error.param == param, (error.code, error.param, error)
        assert error.request_id, error
        return
    raise AssertionError(f"{kind.__name__} expected")


def models():
    listed = client.models.list().data
    assert len(listed) == 1 and listed[0].object == "model", listed
    name = listed[0].id
    assert client.models.retrieve(name).id == name
    refused(openai.NotFoundError, 404, "model_not_found", "model", lambda: client.models.retrieve("nobody/nothing"))
    return name


def chat(model):
    greedy = dict(model=model, messages=CHAT, max_tokens=24, temperature=0)
    answer = client.chat.completions.create(**greedy)
    choice, usage = answer.choices[0], answer.usage
    assert choice.message.role == "assistant" and choice.message.content, answer
    assert choice.finish_reason in ("stop", "length"), answer
    assert 1 <= usage.completion_tokens <= 24 and usage.prompt_tokens > 0, usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage

    chunks = list(client.chat.completions.create(**greedy, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant", chunks[0]
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert streamed == choice.message.content, (streamed, choice.message.content)
    assert chunks[-1].choices == [] and chunks[-1].usage == usage, chunks[-1]
    assert chunks[-2].choices[0].finish_reason == choice.finish_reason, chunks[-2]
    assert len({chunk.id for chunk in chunks}) == 1

    probed = client.chat.completions.create(**greedy, logprobs=True, top_logprobs=3).choices[0]
    assert probed.message.content == choice.message.content
    for token in probed.logprobs.content:
        assert len(token.top_logprobs) == 3 and token.logprob <= 1e-6, token

    stop = choice.message.content[-1]
    cut = client.chat.completions.create(**greedy, stop=[stop]).choices[0]
    assert cut.message.content == choice.message.content.split(stop)[0] and cut.finish_reason == "stop", cut

    drawn = dict(model=model, messages=CHAT, max_completion_tokens=12, temperature=1.5, top_p=0.95, seed=7, n=3)
    first, second = client.chat.completions.create(**drawn), client.chat.completions.create(**drawn)
    texts = [choice.message.content for choice in first.choices]
    assert texts == [choice.message.content for choice in second.choices] and len(texts) == 3, (first, second)
    parts = [{"type": "text", "text": CHAT[0]["content"]}]
    again = client.chat.completions.create(**{**greedy, "messages": [{"role": "user", "content": parts}]})
    assert again.choices[0].message.content == choice.message.content


def completions(model):
    greedy = dict(model=model, prompt=TEXT, max_tokens=8, temperature=0)
    answer = client.completions.create(**greedy)
    text = answer.choices[0].text
    assert answer.object == "text_completion" and answer.usage.completion_tokens <= 8, answer
    streamed = list(client.completions.create(**greedy, stream=True))
    assert "".join(chunk.choices[0].text for chunk in streamed) == text
    assert streamed[-1].choices[0].finish_reason in ("stop", "length")
    both = client.completions.create(**{**greedy, "prompt": [TEXT, TEXT]}, echo=True)
    assert [choice.text for choice in both.choices] == [TEXT + text] * 2, both
    probed = client.completions.create(**greedy, logprobs=2).choices[0].logprobs
    assert len(probed.tokens) == len(probed.token_logprobs) == len(probed.top_logprobs) == len(probed.text_offset)
    exact = client.completions.create(**greedy, extra_body={"ignore_eos": True, "min_tokens": 8, "top_k": 1})
    assert exact.usage.completion_tokens == 8 and exact.choices[0].finish_reason == "length", exact


def errors(model):
    def create(**changes):
        return lambda: client.chat.completions.create(**{"model": model, "messages": CHAT, **changes})

    bad = openai.BadRequestError
    refused(openai.NotFoundError, 404, "model_not_found", "model", create(model="nobody/nothing"))
    refused(bad, 400, None, "temperature", create(temperature=-1))
    refused(bad, 400, None, "n", create(n=10**9))
    refused(bad, 400, None, "messages", create(messages=[]))
    refused(bad, 400, "unsupported_parameter", "tools", create(tools=[{"type": "function", "function": {"name": "f"}}]))
    long = [{"role": "user", "content": "word " * 200_000}]
    refused(bad, 400, "context_length_exceeded", "messages", create(messages=long, max_tokens=1))
    refused(bad, 400, "context_length_exceeded", "messages", create(max_tokens=2**31))


def running():
    with urllib.request.urlopen(f"{BASE}/cluster") as answer:
        return json.load(answer)["running"]


def cancellation(model):
    stream = client.chat.completions.create(
        model=model, messages=ENDLESS, max_tokens=100, stream=True, extra_body={"ignore_eos": True}
    )
    assert next(iter(stream)).choices[0].delta.role == "assistant"
    stream.close()
    until = time.monotonic() + 30
    while running() > 0:
        assert time.monotonic() < until, "a request whose client is gone still runs"
        time.sleep(0.05)


async def together(model):
    many = openai.AsyncOpenAI(base_url=f"{BASE}/v1", api_key="none", max_retries=0, timeout=120)

    async def one():
        stream = await many.chat.completions.create(
            model=model, messages=CHAT, max_tokens=24, temperature=0, stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    alone = await one()
    assert set(await asyncio.gather(*(one() for _ in range(16)))) == {alone}


def main():
    model = models()
    chat(model)
    completions(model)
    errors(model)
    cancellation(model)
    asyncio.run(together(model))
    print("ok")


main()
