"""blitz: ``BayesianLinear`` layers, whose complexity cost is one Monte Carlo draw of the KL."""

from collections.abc import Callable

import numpy as np
import torch
from blitz.modules import BayesianLinear
from blitz.utils import variational_estimator

from work import Work


@variational_estimator
class BlitzNetwork(torch.nn.Module):
    """Three layers with the prior N(0, 1): a mixture of one component."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(
            BayesianLinear(*shape, prior_sigma_1=1.0, prior_pi=1) for shape in work.shapes
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = images
        for index, layer in enumerate(self.layers):
            hidden = layer(torch.relu(hidden) if index else hidden)
        return hidden


def prepare(work: Work, images: np.ndarray, labels: np.ndarray) -> Callable[[int], float]:
    torch.manual_seed(work.seed)
    neural_net = BlitzNetwork(work)
    optimizer = torch.optim.Adam(neural_net.parameters(), work.learning_rate)
    all_images, all_labels = torch.from_numpy(images), torch.from_numpy(labels).long()
    cross_entropy = torch.nn.CrossEntropyLoss()

    def run(num_steps: int) -> float:
        for order in torch.randint(len(images), (num_steps, work.batch_size)):
            loss = neural_net.sample_elbo(
                inputs=all_images[order],
                labels=all_labels[order],
                criterion=cross_entropy,
                sample_nbr=work.num_draws,
                complexity_cost_weight=1 / len(images),
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return float(loss)

    return run
