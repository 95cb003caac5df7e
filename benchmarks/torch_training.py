"""The training loop of the contenders in PyTorch: all data in memory, batches by index."""

from collections.abc import Callable

import torch

from benchmarks.work import Batches, Images, Labels, Run, Work

LossOf = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def training_run(
    work: Work, images: Images, labels: Labels, parameters: object, loss_of: LossOf
) -> Run:
    """Return a run that minimises ``loss_of(images, labels)`` by Adam."""
    optimizer = torch.optim.Adam(parameters, work.learning_rate)
    all_images, all_labels = torch.from_numpy(images), torch.from_numpy(labels).long()
    batches = Batches(len(images), work)

    def run(num_steps: int) -> float:
        for rows in torch.from_numpy(batches.take(num_steps)):
            loss = loss_of(all_images[rows], all_labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return float(loss.item())

    return run
