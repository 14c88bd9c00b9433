"""What the examples share: a conversation in which a model may call Python functions.

The server is where OPENAI_BASE_URL says (http://127.0.0.1:8080/v1), with the key in OPENAI_API_KEY.
"""
import inspect
import json
import os

import openai

ROUNDS = 8  # of calls, before an answer has to come


def connect():
    """The client, and the name of the model that is served."""
    client = openai.OpenAI(base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
                           api_key=os.environ.get("OPENAI_API_KEY", "none"))
    return client, client.models.list().data[0].id


def tool_of(function):
    """The description of a Python function for the model: its name, its docstring, texts as arguments."""
    names = list(inspect.signature(function).parameters)
    parameters = {"type": "object", "properties": {name: {"type": "string", "maxLength": 80} for name in names},
                  "required": names, "additionalProperties": False}
    return {"type": "function", "function": {"name": function.__name__, "description": inspect.getdoc(function),
                                             "parameters": parameters, "strict": True}}


def call(functions, name, arguments):
    """The result as text. What is wrong is told to the model, which can try again."""
    try:
        return str(functions[name](**json.loads(arguments)))
    except Exception as error:
        return f"error: {type(error).__name__}: {error}"


def stream_turn(client, show, **request):
    """One answer of the model, shown as it comes: the message, as the history has it."""
    content, calls = "", {}
    for chunk in client.chat.completions.create(stream=True, **request):
        for choice in chunk.choices:
            content += choice.delta.content or ""
            show(choice.delta.content or "")
            for delta in choice.delta.tool_calls or []:
                if delta.id:
                    calls[delta.index] = {"id": delta.id, "type": "function",
                                          "function": {"name": delta.function.name, "arguments": ""}}
                calls[delta.index]["function"]["arguments"] += delta.function.arguments or ""
    message = {"role": "assistant", "content": content}
    whole = [one for one in calls.values() if is_whole(one["function"]["arguments"])]
    return message | ({"tool_calls": whole} if whole else {})


def is_whole(arguments):
    """Not cut off by the longest answer that is allowed."""
    try:
        return isinstance(json.loads(arguments), dict)
    except ValueError:
        return False


def answer(client, model, messages, functions, show=lambda text: None, told=lambda name, arguments: None,
           first_choice="auto"):
    """Lets the model call functions until it answers. Everything is appended to `messages`; returns the text.

    `first_choice` is the tool_choice of its first turn: "required" if it has to look before it speaks.
    """
    by_name = {function.__name__: function for function in functions}
    for turn in range(ROUNDS + 1):
        choice = first_choice if turn == 0 else "auto" if turn < ROUNDS else "none"
        message = stream_turn(client, show, model=model, messages=messages,
                              tools=[tool_of(function) for function in functions], tool_choice=choice)
        messages.append(message)
        if "tool_calls" not in message:
            return message["content"]
        for one in message["tool_calls"]:
            name, arguments = one["function"]["name"], one["function"]["arguments"]
            told(name, arguments)
            messages.append({"role": "tool", "tool_call_id": one["id"], "content": call(by_name, name, arguments)})
    return ""
