"""Small byte-level BPE vocabularies: the first K ranks of Qwen's, in the published file formats."""
import base64
import json
import os
import random
import unicodedata

import tiktoken

HERE = os.path.dirname(os.path.abspath(__file__))
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def qwen_ranks():
    """All 151,643 ranks as bytes, in order. `fetch_qwen_vocabulary.sh` puts the file there."""
    path = os.path.join(HERE, "..", "..", ".cache", "qwen.tiktoken")
    with open(path, "rb") as f:
        rows = [line.split() for line in f if line.strip()]
    assert [int(r) for _, r in rows] == list(range(len(rows)))
    return [base64.b64decode(t) for t, _ in rows]


def encoding(ranks):
    """The reference encoder over `ranks`, with the three chat tokens after the last rank."""
    specials = {s: len(ranks) + i for i, s in enumerate(SPECIALS)}
    return tiktoken.Encoding("cut", pat_str=PATTERN, special_tokens=specials,
                             mergeable_ranks={t: i for i, t in enumerate(ranks)})


def merges(ranks):
    """The pair that each rank above the bytes is merged from: its encoding by lower ranks."""
    known, pairs = {t: i for i, t in enumerate(ranks)}, []
    for rank, token in enumerate(ranks):
        if len(token) == 1:
            continue
        parts = [bytes([b]) for b in token]
        while len(parts) > 2:
            best = min(range(len(parts) - 1),
                       key=lambda i: (known.get(parts[i] + parts[i + 1], rank), i))
            assert known.get(parts[best] + parts[best + 1], rank) < rank, token
            parts[best:best + 2] = [parts[best] + parts[best + 1]]
        pairs.append(tuple(parts))
    return pairs


def byte_alphabet():
    """The printable character that stands for each byte in the JSON files and merges.txt."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(rest)}


def write(folder, ranks, kind):
    """kind: `tiktoken`, `vocab` (vocab.json + merges.txt), `tokenizer` (tokenizer.json) or
    `tokenizer-lines` (the same with merges in the older spelling)."""
    alphabet = byte_alphabet()
    spell = lambda token: "".join(alphabet[b] for b in token)
    vocab = {spell(t): i for i, t in enumerate(ranks)}
    ids = {s: len(ranks) + i for i, s in enumerate(SPECIALS)}
    if kind == "tiktoken":
        with open(os.path.join(folder, "qwen.tiktoken"), "wb") as f:
            for rank, token in enumerate(ranks):
                f.write(base64.b64encode(token) + b" %d\n" % rank)
        _json(folder, "added_tokens.json", ids)
    elif kind == "vocab":
        with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as f:
            f.write("#version: 0.2\n")
            f.writelines(f"{spell(a)} {spell(b)}\n" for a, b in merges(ranks))
        _json(folder, "vocab.json", vocab)
        _json(folder, "tokenizer_config.json", {
            "add_prefix_space": False, "bos_token": None, "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>", "unk_token": None, "errors": "replace",
            "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer",
            "added_tokens_decoder": {str(i): _added(s) for s, i in ids.items()}})
    else:
        _json(folder, "tokenizer.json", {
            "version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": i} | _added(s) for s, i in ids.items()],
            "normalizer": {"type": "NFC"},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated",
                 "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
                 "use_regex": False}]},
            "post_processor": None,
            "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
                        "use_regex": False},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "vocab": vocab,
                      "merges": [f"{spell(a)} {spell(b)}" if kind == "tokenizer-lines"
                                 else [spell(a), spell(b)] for a, b in merges(ranks)]}})
    return ids


def _added(content):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False,
            "single_word": False, "special": True}


def _json(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, indent=1 if name == "added_tokens.json" else None)
        f.write("\n")


# Scalars and words where lexers and normalisers go wrong: every kind of white space, line ends,
# contractions in odd cases, marks without a base, numbers that are not digits, jamo, emoji.
SCALARS = (
    " \t\n\r\v\f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000\u200b\u180e\ufeff\x1c\x1f"
    "'\u2019\u017f\u212a\u2163\u00bd\u00b2\u0662abZ\u00e9\u00df\u0301\u0308\u0338>_.,!?-#\u4f60"
    "\U0001f600\u200d\ufe0f\uac00\u1100\u1161\u11a8\u0f73\u0f81\u0344\u0915\u093f\u0627\u02b0"
    "\U0001d518\U00010400\u01c5\u00aa\u24d0\u338f\u3007\ufb06\u0130\0\x7f\ue000")
WORDS = ("'s 'S 'T 're 'RE 'rE 'vE 'm 'M 'll 'LL 'lL 'd 'r don't I'LL hello The 3.14 12345 "
         "<|im_end|> <image>").split() + [" the", " world", "   ", "\n\n", "\r\n", " \n ", "\t\t"]


def write_fixtures(folder, cut=600, count=250):
    """One vocabulary in every file format, and texts with their ids by three implementations that
    agree: tiktoken, and the slow and the fast tokenizer of transformers."""
    from tokenizers import Tokenizer
    from transformers import Qwen2Tokenizer
    ranks = qwen_ranks()[:cut]
    for kind in ("tiktoken", "vocab", "tokenizer", "tokenizer-lines"):
        os.makedirs(os.path.join(folder, kind), exist_ok=True)
        write(os.path.join(folder, kind), ranks, kind)
    path = lambda *names: os.path.join(folder, *names)
    reference = encoding(ranks)
    slow = Qwen2Tokenizer(path("vocab", "vocab.json"), path("vocab", "merges.txt"))
    fast = [Tokenizer.from_file(path(kind, "tokenizer.json"))
            for kind in ("tokenizer", "tokenizer-lines")]
    rng, rows = random.Random(7), []
    for _ in range(count):
        text = "".join(rng.choice(WORDS if rng.random() < 0.5 else SCALARS)
                       for _ in range(rng.randint(1, 14)))
        ids = reference.encode_ordinary(unicodedata.normalize("NFC", text))
        if not any(s in text for s in SPECIALS):
            assert all(t.encode(text).ids == ids for t in fast), ascii(text)
            assert slow.encode(text) == ids, ascii(text)
        rows.append(json.dumps({"text": text, "ids": ids}))
    with open(path("reference.jsonl"), "w") as f:
        f.write("\n".join(rows) + "\n")
