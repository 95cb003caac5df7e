"""blitz: ``BayesianLinear`` layers, one weight draw for the batch, the KL estimated at that draw.

Source: the README of blitz, with ``sample_elbo``. Its biases are random too.
"""

import torch
from blitz.modules import BayesianLinear
from blitz.utils import variational_estimator

from benchmarks.torch_training import training_run
from benchmarks.work import Images, Labels, Run, Work

TITLE = "blitz: BayesianLinear"
ENVIRONMENT = "torch"
KIND = "peer"


@variational_estimator
class BlitzNetwork(torch.nn.Module):
    """The dense network: prior N(0, 1), posterior from means N(0, 0.1²) and rho N(-3, 0.1²)."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        prior = torch.distributions.Normal(0.0, 1.0)
        self.layers = torch.nn.ModuleList(
            BayesianLinear(*shape, posterior_rho_init=-3.0, prior_dist=prior)
            for shape in work.shapes
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits [batch, classes] of one draw."""
        hidden = images
        for index, layer in enumerate(self.layers):
            hidden = layer(torch.relu(hidden) if index else hidden)
        return hidden


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Build the network; ``sample_elbo`` averages over the draws."""
    work.only_dense()
    torch.manual_seed(work.seed)
    neural_net = BlitzNetwork(work)
    cross_entropy = torch.nn.CrossEntropyLoss()

    def loss_of(batch: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return neural_net.sample_elbo(
            inputs=batch,
            labels=targets,
            criterion=cross_entropy,
            sample_nbr=work.num_draws,
            complexity_cost_weight=1 / len(images),
        )

    return training_run(work, images, labels, neural_net.parameters(), loss_of)
