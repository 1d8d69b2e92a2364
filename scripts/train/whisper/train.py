"""Trains the Whisper on a bank of spoken sentences that may still grow while it learns.

    python3 scripts/train/whisper/train.py --bank BANK --vocabulary demo/whisper.bin --minutes 60 --seed 1 --out FOLDER
"""
import argparse
import sys
import time
from math import cos, pi
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

import common.processor  # noqa: F401  before PyTorch
import numpy as np
import torch
from common.muon import Muon
from torch import Tensor
from torch.nn import functional as F

from whisper.bank import load
from whisper.export import export
from whisper.grammar import all_texts, is_held_out, sentence
from whisper.mel import log_power, normalised
from whisper.model import Config, Places, Whisper
from whisper.speak import RATE, Speaker, held_out_voice
from whisper.tokens import COUNT, END, NO_TIMES, START, TIME_0, Tokenizer, read_vocabulary, used_tokens
from whisper.windows import IGNORED, Plan, Sounds, Window, make_noises, places, window
from whisper.words import edits


def plan_at(done: float, rng: Random) -> tuple[Plan, int]:
    """Windows of one short utterance first, longer ones and ones with more later; and how many make a batch."""
    kind = rng.random()
    if done > 0.5 and kind < 0.15:
        return Plan(rng.choice((500, 800)), 3), 6
    if done > 0.6 and kind < 0.2:
        return Plan(3000, rng.choice((1, 3, 10)), has_tail=False), 1
    # Now and then from a later part of the 30 s, so that late positions and timestamps are known too.
    first = rng.randrange(0, 2600, 10) if done > 0.4 and kind > 0.9 else 0
    return Plan(rng.choice((190, 190, 290, 290)), 1, first, has_tail=rng.random() < 0.7), 16


class Rows:
    """Token ids as rows of the small table."""

    def __init__(self, used: list[int]):
        self._row = {token: row for row, token in enumerate(used)}

    def __call__(self, tokens: list[int]) -> list[int]:
        return [token if token == IGNORED else self._row[token] for token in tokens]


def padded(lists: list[list[int]], filler: int) -> Tensor:
    width = max(map(len, lists))
    return torch.tensor([one + [filler] * (width - len(one)) for one in lists])


def phoneme_loss(model: Whisper, sound: Tensor, windows: list[Window]) -> Tensor:
    """How well the encoder tells the phonemes (CTC, Graves et al. 2006), where there are any."""
    voiced = [i for i, w in enumerate(windows) if w.phonemes]
    if not voiced:
        return sound.new_zeros(())
    spoken = [[ord(c) - ord("!") + 1 for c in windows[i].phonemes] for i in voiced]
    scores = model.phonemes(sound[voiced]).float().log_softmax(-1).transpose(0, 1)
    lengths = torch.tensor([len(s) for s in spoken])
    frames = torch.full((len(voiced),), len(scores))
    flat = torch.tensor([p for s in spoken for p in s])
    total = F.ctc_loss(scores, flat, frames, lengths, reduction="sum", zero_infinity=True)
    return total / (lengths.sum() + len(voiced))


def losses(
    model: Whisper, windows: list[Window], where: Places, rows: Rows, wants_phonemes: bool
) -> tuple[Tensor, Tensor]:
    """Of the tokens and of the phonemes."""
    tokens = padded([rows(w.tokens) for w in windows], 0)
    targets = padded([rows(w.targets) for w in windows], IGNORED)
    mel = torch.from_numpy(np.stack([w.mel for w in windows]))
    with torch.autocast("cpu", torch.bfloat16):  # several times quicker where the processor knows bfloat16
        heard = model.encoder(mel, where)
        logits = model.logits(model.decoder(tokens, heard)[targets != IGNORED])
    said = F.cross_entropy(logits, targets[targets != IGNORED])
    return said, phoneme_loss(model, heard.sound, windows) if wants_phonemes else said.new_zeros(())


@torch.no_grad()
def word_errors(model: Whisper, tokenizer: Tokenizer, count: int, seconds: int) -> tuple[float, list[str]]:
    """Part of the words that are wrong in unheard sentences by unheard voices, greedy and without times; examples."""
    rng, speaker, rows = Random("held out"), Speaker(), Rows(model.used)
    errors, words, examples = 0, 0, []
    for _ in range(count):
        speaker.use(held_out_voice(rng))
        written, spoken = next(said for said in iter(lambda: sentence(rng), None) if is_held_out(said[0]))
        sound = np.zeros(seconds * RATE, np.float32)
        samples = speaker.say(spoken)
        sound[3200 : 3200 + len(samples)] = samples / np.float32(32768)
        heard = model.encoder(torch.from_numpy(normalised(log_power(sound)).T[None].astype(np.float32)))
        said = rows([START, NO_TIMES])
        while len(said) < 30 and model.used[said[-1]] != END:
            said.append(int(model.logits(model.decoder(torch.tensor([said]), heard)[0, -1])[:-1].argmax()))
        text = tokenizer.decode(model.used[row] for row in said).strip()
        wrong = edits(text.split(), written.split())
        errors, words = errors + wrong, words + len(written.split())
        if wrong and len(examples) < 6:
            examples.append(f"{written} -> {text}")
    return errors / words, examples


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("--bank", type=Path, required=True)
    args.add_argument("--vocabulary", type=Path, required=True, help="an English Whisper file of whisper.cpp's")
    args.add_argument("--minutes", type=float, default=60)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--rate", type=float, default=0.02, help="of matrices; a seventh of it for the rest")
    args.add_argument("--resume", type=Path, help="a checkpoint to go on from")
    args.add_argument("--out", type=Path, required=True)
    a = args.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    rng = Random(a.seed)
    tokenizer = Tokenizer(read_vocabulary(a.vocabulary))
    used = used_tokens(tokenizer, all_texts())
    config, rows = Config(), Rows(used)
    model = Whisper(config, used, COUNT, used.index(TIME_0))
    if a.resume:
        model.resume(torch.load(a.resume)["state"])
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "blocks." in name]
    rest = [p for name, p in model.named_parameters() if not (p.ndim == 2 and "blocks." in name)]
    optimizers = [Muon(matrices, a.rate), torch.optim.AdamW(rest, a.rate / 7, betas=(0.9, 0.98), weight_decay=0.0)]
    rates = [a.rate, a.rate / 7]
    print(f"{len(used)} tokens in use, {sum(p.numel() for p in model.parameters())} weights", flush=True)

    sounds = Sounds([], make_noises(a.seed), tokenizer)
    files: set[Path] = set()
    start, step, seen = time.monotonic(), 0, 0
    while (done := (time.monotonic() - start) / (60 * a.minutes)) < 1:
        if step % 40 == 0:
            fresh = sorted(set(a.bank.glob("*.npz")) - files)[: 8 if step == 0 else 1]
            for file in fresh:
                sounds.utterances.extend(load(file))
            files.update(fresh)
        plan, count = plan_at(done, rng)
        windows = [window(rng, sounds, plan) for _ in range(count)]
        phoneme_weight = 0.5 * max(0.0, 1 - done / 0.7)
        said, phonemes = losses(model, windows, places(rng, plan), rows, phoneme_weight > 0)
        model.zero_grad()
        (said + phoneme_weight * phonemes).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, rate in zip(optimizers, rates):
            optimizer.param_groups[0]["lr"] = rate * min(1, (step + 1) / 60) * (0.5 + 0.5 * cos(pi * done)) + 1e-6
            optimizer.step()
        step, seen = step + 1, seen + count
        if step % 50 == 0:
            elapsed = time.monotonic() - start
            print(f"{elapsed:6.0f} s  step {step:5d}  windows {seen}  loss {said.item():.3f}  "
                  f"phonemes {phonemes.item():.3f}  utterances {len(sounds.utterances)}", flush=True)
        if step % 400 == 0:
            print("held out:", *word_errors(model, tokenizer, 25, 4), flush=True)
            torch.save({"state": model.state_dict(), "used": used}, a.out / "whisper.pt")
    torch.save({"state": model.state_dict(), "used": used}, a.out / "whisper.pt")
    export(model, tokenizer.vocabulary, a.out / "whisper.bin", "q5_1")
    print(f"{seen} windows; held out:", *word_errors(model, tokenizer, 200, 30))


if __name__ == "__main__":
    main()
