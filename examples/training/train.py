"""Train the encoder to tell instruments, and to be consistent: ``python train.py --consistency 1``.

Without that option it is trained on its task alone, as most are.
"""

from __future__ import annotations

import argparse

import torch
from melodies import INSTRUMENTS, SAMPLE_RATE, melodies
from melody_encoder import SIZE, MelodyEncoder
from torch import nn
from torch.nn.functional import cross_entropy

from pytest_nnrel import Corpus, EnvironmentalNoise, PinkNoise
from pytest_nnrel.training import ConsistencyLoss, ConsistencyMonitor, TransformedPool

#: What the encoder is to survive: each is the gravest that it is trained on.
SURVIVED = [PinkNoise(10), EnvironmentalNoise(10)]


def main() -> None:
    """Train, and leave the weights of the best epoch in ``encoder.pt``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--consistency", type=float, default=0.0, help="weight of the loss")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--clips", type=int, default=256)
    arguments = parser.parse_args()

    torch.manual_seed(0)
    waveforms, players = melodies(arguments.clips, seed=0)
    # Noise of environments is not made batch by batch: versions of each clip are made beforehand.
    pool = TransformedPool(waveforms, SURVIVED, sample_rate=SAMPLE_RATE, versions=4)
    consistency = ConsistencyLoss(
        SURVIVED, sample_rate=SAMPLE_RATE, pool=pool, weight=arguments.consistency
    )
    # Neither what is trained on, nor what the tests are run on.
    held_out = Corpus.from_arrays(melodies(40, seed=1)[0], sample_rate=SAMPLE_RATE)
    monitor = ConsistencyMonitor(held_out, SURVIVED)

    encoder, classifier = MelodyEncoder(), nn.Linear(SIZE, INSTRUMENTS)
    batches = torch.utils.data.DataLoader(pool, batch_size=32, shuffle=True, drop_last=True)
    optimiser = torch.optim.Adam([*encoder.parameters(), *classifier.parameters()])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=6e-3, epochs=arguments.epochs, steps_per_epoch=len(batches)
    )
    labels = torch.from_numpy(players)
    for epoch in range(arguments.epochs):
        hits = 0
        for batch, indices in batches:
            scores = classifier(encoder(batch))
            loss = cross_entropy(scores, labels[indices])
            if consistency.weight:
                loss = loss + consistency(encoder, batch, indices=indices)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            hits += int((scores.argmax(dim=1) == labels[indices]).sum())
        found = monitor.measure(encoder, epoch=epoch)
        accuracy = hits / (len(batches) * batches.batch_size)
        print(f"epoch {epoch}: accuracy {accuracy:.2f}, C_W {found.mean:.2f}", found.families)
        if found.is_best or not consistency.weight:  # of the task alone, the last epoch
            torch.save(encoder.state_dict(), "encoder.pt")


if __name__ == "__main__":
    main()
