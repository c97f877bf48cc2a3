"""Images by number, a network that tells their shapes, and the loss of a label."""

from pathlib import Path

import torch
from attrs import frozen
from torch import Tensor, nn

from gradiend_core.api import ModelError, Rules, RulesParadigm

LABELS = ("circle", "square")


def texts(_):
    return [f"image {number} shows a {LABELS[number % 2]}" for number in range(600)]


def folder(_):
    return Path(__file__).parent


def paradigm(config):
    words = {label.upper(): (label,) for label in LABELS}
    return RulesParadigm("shapes", Rules(words), config.classes)


def image(number: int) -> Tensor:
    generator = torch.Generator().manual_seed(number)
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    away = torch.stack([(y - 3.5).abs(), (x - 3.5).abs()])
    edge = (away.norm(dim=0) if number % 2 == 0 else away.amax(0)).sub(3).abs() < 0.6
    return (edge + 0.5 * torch.randn(8, 8, generator=generator)).flatten()


@frozen(eq=False)
class Batch:
    images: Tensor  # [examples, 64]
    labels: Tensor  # [examples, 2], of the factual and of the alternative filler


@frozen(eq=False)
class Labelled:
    pairs: tuple
    drops: tuple = ()

    @property
    def lengths(self):
        return (1,) * len(self.pairs)

    def batch(self, rows, device):
        chosen = [self.pairs[row] for row in rows]
        images = torch.stack([image(int(pair.left.split()[1])) for pair in chosen])
        labels = torch.tensor(
            [[LABELS.index(pair.factual), LABELS.index(pair.alternative)] for pair in chosen]
        )
        return Batch(images.to(device), labels.to(device))


class LabelSource:
    def __init__(self, config):
        self.config = config

    @staticmethod
    def accepts(model):
        return Path(model) == folder(None)

    def load(self, model, settings):
        if not self.accepts(model):
            raise ModelError(f"{model!r} is no network of shapes; leave the model out, or give shapes-net")
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 2))
        images, labels = torch.stack([image(n) for n in range(1000, 1400)]), torch.arange(400) % 2
        optimizer = torch.optim.Adam(net.parameters(), 0.01)
        for _ in range(60):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images), labels).backward()
            optimizer.step()
        optimizer.zero_grad()
        return net.to(torch.float64 if settings.dtype == "float64" else torch.float32).eval(), None

    def prepare(self, pairs, tokenizer, model):
        return Labelled(tuple(pairs))

    def losses(self, model, batch):
        logits = model(batch.images.to(next(model.parameters()).dtype))
        return -logits.log_softmax(-1).gather(1, batch.labels)
