"""The embedded model's tokenizer and prompt: Qwen's BPE cut to its first 8192 ranks, and LongVA's ChatML around it."""
import base64
import functools
import os

import tiktoken

RANKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "model", "qwen8192.tiktoken")
ORDINARY = 8192
END_OF_TEXT, START, END = ORDINARY, ORDINARY + 1, ORDINARY + 2
VOCABULARY = ORDINARY + 64                  # rows of the embedding; those after END are never used
# Qwen2's pre-tokenizer.
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")


@functools.cache
def encoding():
    ranks = {}
    with open(RANKS, "rb") as file:
        for line in file:
            token, rank = line.split()
            ranks[base64.b64decode(token)] = int(rank)
    special = {"<|endoftext|>": END_OF_TEXT, "<|im_start|>": START, "<|im_end|>": END}
    return tiktoken.Encoding("qwen8192", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=special)


@functools.lru_cache(200_000)
def encode(text):
    """Ids of plain text, a tuple: no special token is ever recognised in it."""
    return tuple(encoding().encode_ordinary(text))


@functools.cache
def token_lengths():
    """Bytes of every ordinary token."""
    return [len(encoding().decode_single_token_bytes(token)) for token in range(ORDINARY)]


@functools.cache
def prefix():
    """Everything before the visual tokens."""
    return (START, *encode("system\nYou are a helpful assistant."), END, *encode("\n"), START, *encode("user\n"))


@functools.cache
def turn():
    """Between the question and the answer."""
    return (END, *encode("\n"), START, *encode("assistant\n"))


def question_ids(text):
    """Everything after the visual tokens up to the answer."""
    return encode("\n" + text) + turn()


def answer_ids(answer, spelled=False):
    """The answer and its end. What is read off a card is `spelled`: one token a character."""
    parts = answer if spelled else [answer]
    return tuple(token for part in parts for token in encode(part)) + (END,)
