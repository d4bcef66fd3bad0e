"""Makes the two embedded language models, pocket-mlm and pocket-clm, from text and a teacher given by path.

    python tools/make_pocket_models.py prepare --corpora CORPORA --data DATA --teacher TEACHER --work WORK
    python tools/make_pocket_models.py mlm    --teacher TEACHER --work WORK --run stable
    python tools/make_pocket_models.py clm    --work WORK --run stable
    python tools/make_pocket_models.py mlm    --teacher TEACHER --work WORK --run final --decay-of stable
    python tools/make_pocket_models.py clm    --work WORK --run final --decay-of stable
    python tools/make_pocket_models.py export --teacher TEACHER --work WORK --mlm-run final --clm-run final --out OUT

`prepare` writes the tokenizers and the token streams; `mlm` and `clm` train at a constant rate and go on where they
stopped (SIGTERM saves first) until `--steps` or `--minutes` are over; with `--decay-of` a run starts from the last
checkpoint of another and lowers its rate to zero. Labels are never read, dev and test files never opened, and every
hundredth document is held out. All randomness comes from `--seed` and the step number.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from pocket_training import causal, masked
from pocket_training.export import export_clm, export_mlm
from pocket_training.loop import Schedule, load_checkpoint, train
from pocket_training.text import SOURCES, Source, as_distributed_sst2, documents, is_held_out, write_stream
from tokenizers import Tokenizer


def prepare(args: argparse.Namespace) -> None:
    """Writes `mlm-tokenizer.json`, `clm-tokenizer.json` and both models' token streams into the work folder."""
    args.work.mkdir(parents=True, exist_ok=True)
    report: dict[str, dict[str, list[int]]] = {}
    if "clm" in args.only:
        report["clm"] = prepare_clm(args)
    if "mlm" in args.only:
        report["mlm"] = prepare_mlm(args)
    (args.work / f"streams-{'-'.join(args.only)}.json").write_text(json.dumps(report, indent=1))


def prepare_mlm(args: argparse.Namespace) -> dict[str, list[int]]:
    """Streams in the teacher's pieces, and the cut vocabulary from their expected counts in the mixture."""
    folder = args.work / "mlm"
    folder.mkdir(exist_ok=True)
    spec = json.loads((args.teacher / "tokenizer.json").read_text(encoding="utf-8"))
    spec["truncation"] = spec["padding"] = None
    tokenizer = Tokenizer.from_str(json.dumps(spec))
    report = {}
    counts = np.zeros(tokenizer.get_vocab_size())
    for source in SOURCES:
        texts = documents(source, args.corpora, args.data)
        sizes = write_stream(
            folder,
            source.name,
            texts,
            lambda batch: [e.ids for e in tokenizer.encode_batch_fast(batch, add_special_tokens=False)],
        )
        report[source.name] = list(sizes)
        tokens = np.load(folder / f"{source.name}.train.npy")
        counts += source.share * np.bincount(tokens, minlength=len(counts)) / max(len(tokens), 1)
        print("mlm", source.name, sizes, flush=True)
    pieces = masked.choose_pieces(spec["model"]["vocab"], counts, args.mlm_vocabulary, rare=2e-6)
    cut = masked.cut_tokenizer(spec, pieces)
    (args.work / "mlm-tokenizer.json").write_text(json.dumps(cut, ensure_ascii=False), encoding="utf-8")
    return report


def prepare_clm(args: argparse.Namespace) -> dict[str, list[int]]:
    """A byte-level BPE trained on a slice of every source, and the streams in its pieces."""
    folder = args.work / "clm"
    folder.mkdir(exist_ok=True)

    def texts(source: Source) -> Iterator[str]:
        for index, text in enumerate(documents(source, args.corpora, args.data)):
            lowered = np.random.default_rng([args.seed, index]).random() < source.lowered
            yield as_distributed_sst2(text) if lowered else text

    def slices() -> Iterator[str]:
        """About twenty million characters, by share, long documents cut short."""
        for source in SOURCES:
            room = int(2e7 * source.share)
            for index, text in enumerate(texts(source)):
                if not is_held_out(index):
                    room -= len(text[:4000])
                    yield text[:4000]
                if room < 0:
                    break

    tokenizer = causal.train_tokenizer(slices(), args.clm_vocabulary)
    tokenizer.save(str(args.work / "clm-tokenizer.json"))
    report = {}
    for source in SOURCES:
        sizes = write_stream(
            folder,
            source.name,
            texts(source),
            lambda batch: [e.ids for e in tokenizer.encode_batch_fast(batch, add_special_tokens=False)],
        )
        report[source.name] = list(sizes)
        print("clm", source.name, sizes, flush=True)
    return report


def train_mlm(args: argparse.Namespace) -> None:
    """Cuts the teacher and tunes it on; held-out loss is on windows with fixed masks."""
    torch.manual_seed(args.seed)
    teacher = masked.load_teacher(args.teacher)
    splitter, kept = masked.load_splitter(args.teacher, args.work)
    student = masked.cut_model(teacher, kept)
    batches = masked.MaskedBatches(args.work / "mlm", "train", splitter, args.seed, args.tokens, rate=0.2)
    held_out = masked.MaskedBatches(args.work / "mlm", "heldout", splitter, 0, args.tokens, rate=0.2)
    fixed = [held_out.batch(step) for step in range(12)]
    rows = torch.tensor(kept)
    decayed = [p for p in student.parameters() if p.ndim == 2]
    rest = [p for p in student.parameters() if p.ndim != 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}],
        lr=args.lr,
        betas=(0.9, 0.98),
        fused=True,
    )

    def loss_at(step: int) -> tuple[torch.Tensor, int, dict[str, float]]:
        student.train()
        return masked.masked_loss(student, teacher if args.soft else None, rows, batches.batch(step), args.soft)

    def evaluate() -> dict[str, float]:
        student.eval()
        with torch.no_grad():
            losses = [masked.masked_loss(student, None, rows, batch, 0.0)[0].item() for batch in fixed]
        return {"heldout": float(np.mean(losses))}

    run_training(args, "mlm", student, [optimizer], loss_at, evaluate)


def train_clm(args: argparse.Namespace) -> None:
    """Trains the causal model from scratch; held-out loss is on fixed rows."""
    model = causal.build(args.clm_vocabulary, args.layers, args.hidden, args.feed_forward, args.heads, args.seed)
    tokenizer = args.work / "clm-tokenizer.json"
    batches = causal.CausalBatches(args.work / "clm", "train", tokenizer, args.seed, args.tokens)
    held_out = causal.CausalBatches(args.work / "clm", "heldout", tokenizer, 0, args.tokens)
    fixed = torch.tensor([held_out.row(np.random.default_rng(i), 128) for i in range(320)]).split(32)

    def plain(ids: torch.Tensor) -> torch.Tensor:
        return causal.causal_loss(model, ids)

    fused = torch.compile(plain, dynamic=False) if args.compile else plain

    def loss_at(step: int) -> tuple[torch.Tensor, int, dict[str, float]]:
        model.train()
        ids = batches.batch(step)
        return fused(ids), ids.numel() - len(ids), {}

    def evaluate() -> dict[str, float]:
        model.eval()
        with torch.no_grad():
            return {"heldout": float(np.mean([causal.causal_loss(model, ids).item() for ids in fixed]))}

    run_training(args, "clm", model, causal.optimizers(model, args.muon_lr, args.lr), loss_at, evaluate)


def run_training(args, kind, model, optimizers, loss_at, evaluate) -> None:  # type: ignore[no-untyped-def]
    """The loop with the paths and the schedule that the arguments ask for."""
    run = args.work / "runs" / f"{kind}-{args.run}"
    schedule, steps, start = Schedule(args.warmup), args.steps, None
    if args.decay_of:
        start = args.work / "runs" / f"{kind}-{args.decay_of}" / "last"
        mark = run / "decay_from.json"
        if not mark.exists():
            run.mkdir(parents=True, exist_ok=True)
            mark.write_text((start / "progress.json").read_text())
        begin = int(json.loads(mark.read_text())["step"])
        schedule = Schedule(args.warmup, begin, args.decay_steps)
        steps = begin + args.decay_steps
    print(kind, sum(p.numel() for p in model.parameters()), "parameters", time.strftime("%H:%M:%S"), flush=True)
    train(
        run=run,
        model=model,
        optimizers=optimizers,
        schedule=schedule,
        loss_at=loss_at,
        evaluate=evaluate,
        steps=steps,
        minutes=args.minutes,
        start=start,
        evaluate_every=args.evaluate_every,
    )


def export(args: argparse.Namespace) -> None:
    """Writes the shipped folders, `mlm` and `clm`, in fp16, each replaced as a whole."""
    if args.mlm_run:
        _, kept = masked.load_splitter(args.teacher, args.work)
        student = masked.cut_model(masked.load_teacher(args.teacher), kept)
        load_checkpoint(args.work / "runs" / f"mlm-{args.mlm_run}" / "last", student)
        export_mlm(student, args.work / "mlm-tokenizer.json", args.out / "mlm")
    if args.clm_run:
        model = causal.build(args.clm_vocabulary, args.layers, args.hidden, args.feed_forward, args.heads, args.seed)
        load_checkpoint(args.work / "runs" / f"clm-{args.clm_run}" / "last", model)
        export_clm(model, args.work / "clm-tokenizer.json", args.out / "clm")


def arguments() -> argparse.ArgumentParser:
    """The command line; every path is an argument."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)

    def verb(name: str, function, *, lr: float = 0.0, tokens: int = 0, warmup: int = 0):  # type: ignore[no-untyped-def]
        sub = verbs.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
        sub.set_defaults(function=function)
        sub.add_argument("--work", type=Path, required=True, help="folder for streams and checkpoints")
        sub.add_argument("--seed", type=int, default=13)
        sub.add_argument("--threads", type=int, default=1)
        sub.add_argument("--mlm-vocabulary", type=int, default=12000)
        sub.add_argument("--clm-vocabulary", type=int, default=8192)
        sub.add_argument("--layers", type=int, default=4)
        sub.add_argument("--hidden", type=int, default=256)
        sub.add_argument("--feed-forward", type=int, default=768)
        sub.add_argument("--heads", type=int, default=4)
        if tokens:
            sub.add_argument("--run", default="stable", help="the name of the run's folder")
            sub.add_argument("--lr", type=float, default=lr, help="AdamW's rate")
            sub.add_argument("--tokens", type=int, default=tokens, help="tokens a step")
            sub.add_argument("--warmup", type=int, default=warmup)
            sub.add_argument("--steps", type=int, default=10**9)
            sub.add_argument("--minutes", type=float, default=1e9)
            sub.add_argument("--decay-of", help="the run whose last checkpoint this decay stage starts from")
            sub.add_argument("--decay-steps", type=int, default=600)
            sub.add_argument("--evaluate-every", type=int, default=200)
        return sub

    sub = verb("prepare", prepare)
    sub.add_argument("--corpora", type=Path, required=True, help="folder of *.txt.xz")
    sub.add_argument("--data", type=Path, required=True, help="folder of labelled sets; only train texts are read")
    sub.add_argument("--teacher", type=Path, required=True)
    sub.add_argument("--only", nargs="+", choices=("mlm", "clm"), default=("mlm", "clm"))
    sub = verb("mlm", train_mlm, lr=3e-4, tokens=2304, warmup=100)
    sub.add_argument("--teacher", type=Path, required=True)
    sub.add_argument("--soft", type=float, default=0.5, help="weight of the teacher's logits; 0 leaves the teacher out")
    sub = verb("clm", train_clm, lr=2e-3, tokens=4096, warmup=100)
    sub.add_argument("--muon-lr", type=float, default=0.02)
    sub.add_argument("--compile", action="store_true", help="1.4 times as fast, needs a C++ compiler")
    sub = verb("export", export)
    sub.add_argument("--teacher", type=Path, help="for the masked model")
    sub.add_argument("--mlm-run")
    sub.add_argument("--clm-run")
    sub.add_argument("--out", type=Path, required=True)
    return parser


def main() -> None:
    """Runs the verb that the command line names."""
    args = arguments().parse_args()
    torch.set_num_threads(args.threads)
    args.function(args)


if __name__ == "__main__":
    main()
