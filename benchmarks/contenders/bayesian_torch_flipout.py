"""bayesian-torch: ``LinearFlipout`` layers, which hand back their KL beside the output."""

from collections.abc import Callable

import numpy as np
import torch
from bayesian_torch.layers import LinearFlipout

from work import Work


class FlipoutNetwork(torch.nn.Module):
    """Three layers; the biases are random too, which bayesian-torch cannot switch off."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(LinearFlipout(*shape) for shape in work.shapes)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden, kl = images, torch.zeros(())
        for index, layer in enumerate(self.layers):
            hidden, layer_kl = layer(torch.relu(hidden) if index else hidden)
            # the layer divides its KL by the number of weights: undo it
            kl = kl + layer_kl
        return hidden, kl


def prepare(work: Work, images: np.ndarray, labels: np.ndarray) -> Callable[[int], float]:
    torch.manual_seed(work.seed)
    neural_net = FlipoutNetwork(work)
    optimizer = torch.optim.Adam(neural_net.parameters(), work.learning_rate)
    all_images, all_labels = torch.from_numpy(images), torch.from_numpy(labels).long()
    cross_entropy = torch.nn.CrossEntropyLoss()

    def run(num_steps: int) -> float:
        for order in torch.randint(len(images), (num_steps, work.batch_size)):
            logits, kl = neural_net(all_images[order])
            loss = cross_entropy(logits, all_labels[order]) + kl / len(images)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return float(loss)

    return run
